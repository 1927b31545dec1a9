//! Frames of the stream: its beginning, confirmations, gaps, and events.

use super::{
    ClientCore, Connected, Exclusion, Frame, connection::Phase, cursors::Cursors, ledger::Gap, sharing::TabTell,
};
use crate::{
    routes::{HandlerId, Route},
    text::{small, text_of},
};

impl ClientCore {
    /// A control frame of the stream.
    pub fn frame(&mut self, now: u64, frame: Frame) {
        let phase = self.connection.phase();
        if !self.connection.is_open() && !matches!(phase, Phase::Connecting { .. }) {
            return;
        }
        self.connection.heard(now);
        match frame {
            Frame::Closing { reason, retry_ms } => self.dismissed(now, reason, retry_ms),
            Frame::Connected(connected) if !self.connection.is_open() => self.connected_to_server(now, &connected),
            _ if !self.connection.is_open() => {}
            Frame::Subscribed { request_id, channels, addressed, cursor } => {
                let refused = self.ledger.subscribed(&request_id, &channels, addressed, cursor, &mut self.out);
                // A leading tab reports that itself.
                if self.connection.is_own() {
                    refused.into_iter().for_each(|rejected| self.refuse(rejected));
                }
                self.sync_subscriptions(now);
            }
            Frame::Gap { channels: None, reason, id, .. } => self.gap(now, reason, id),
            Frame::Gap { channels: Some(channels), addressed, cursor, reason, request_id, .. } => {
                self.gap_on(now, Gap { channels, addressed, cursor }, reason, request_id.as_deref());
            }
            Frame::Heartbeat { id } => {
                self.advance(now, &id);
                self.tell_cursor();
            }
            Frame::Revoked { channels, addressed, code } => {
                self.tell_frame(Frame::Revoked { channels: channels.clone(), addressed, code: code.clone() });
                self.revoke(now, channels, addressed, &code);
            }
            Frame::PresenceRefused(rejected) => self.ledger.refuse_presence(rejected, &mut self.out),
            Frame::Challenge => self.say_alive(),
            Frame::Connected(_) | Frame::Other => {}
        }
    }

    fn connected_to_server(&mut self, now: u64, connected: &Connected) {
        self.ledger.begin_stream(now, connected);
        self.latency.begin(now, &connected.connection_id, connected.timestamp_ms, &mut self.random);
        self.auth.set_user(connected.user_id.as_ref());
        if self.check_user(now) {
            self.begin(now, false, connected);
        }
    }

    /// A stream has begun: the server's, or one of the leading tab.
    pub(super) fn begin(&mut self, now: u64, led: bool, connected: &Connected) {
        self.connection.set_heartbeat(connected.heartbeat_ms);
        self.connection.set_id(connected.connection_id.clone());
        self.connection.opened(now);
        self.enter(Phase::Open { led });
        self.expires_in(now, connected.expires_in_ms);
        if !self.ledger.awaits_gap() {
            self.advance(now, &connected.id);
        }
        if self.ledger.take_owed_gap() {
            self.tell_gap("malformed".into());
        }
        self.ledger.ask_again();
        let has_user = self.auth.user_id().is_some();
        let expelled = self.ledger.confirm_first(connected, has_user, &mut self.out);
        for rejected in &connected.rejected {
            self.refuse(rejected.clone());
        }
        // Refused channels have been removed by now.
        self.expel(expelled);
        self.tell_renewed();
        self.sync_subscriptions(now);
        self.ask_presence();
        self.admit_waiting();
    }

    /// The stream has delivered every event up to here.
    pub(super) fn advance(&mut self, now: u64, id: &Option<Cursors>) {
        if id.is_none() {
            return;
        }
        if self.ledger.awaits_gap() {
            // Every stream that does not resume sends a gap right after `connected`. If one does not, the client
            // reports it.
            return self.gap(now, "unknown".to_owned(), *id);
        }
        self.ledger.advance(id);
    }

    // ---- gaps ----

    /// Any events may be missing, on all of the stream.
    fn gap(&mut self, now: u64, reason: String, id: Option<Cursors>) {
        self.ledger.start_over(id);
        let (addressed, reason_told) = (true, reason.clone());
        let frame = Frame::Gap { channels: None, addressed, cursor: None, reason: reason_told, request_id: None, id };
        self.tell_frame(frame);
        self.tell_gap(reason);
        self.sync_subscriptions(now);
        // Gives streams to tabs that asked before the stream's position was known.
        self.admit_waiting();
    }

    fn tell_gap(&mut self, reason: String) {
        let handlers = self.ledger.wanted();
        self.out.gap(None, true, None, reason, handlers);
    }

    /// Events may be missing on some channels: in the past that a call asks for, or from here on.
    fn gap_on(&mut self, now: u64, gap: Gap, reason: String, request_id: Option<&str>) {
        let call = request_id.and_then(small);
        let frame = |request_id| {
            let Gap { channels, addressed, cursor } = gap.clone();
            Frame::Gap { channels: Some(channels), addressed, cursor, reason: reason.clone(), request_id, id: None }
        };
        let told = self.ledger.gap(&gap, call);
        if call.is_none() {
            self.tell_frame(frame(None));
        } else {
            for (member, request) in &told.calls {
                let frame = frame(Some(text_of(*request)));
                self.tell(TabTell::Frame { member: Some(*member), frame }, false);
            }
        }
        // If the gap concerns other tabs only, it is reported to their applications only.
        if !told.handlers.is_empty() || told.calls.is_empty() && !self.connection.is_led() {
            let Gap { channels, addressed, cursor } = gap;
            self.out.gap(Some(channels), addressed, cursor, reason, told.handlers);
        }
        self.sync_subscriptions(now);
    }

    // ---- events ----

    /// An event of the stream, live or replayed. Adds the handlers that receive it to `out`, in their order.
    pub fn record(
        &mut self,
        now: u64,
        route: Route,
        cursor: Option<Cursors>,
        except: Option<&Exclusion<'_>>,
        out: &mut Vec<HandlerId>,
    ) {
        if !self.connection.is_open() {
            return;
        }
        self.connection.heard(now);
        self.advance(now, &cursor);
        let hidden = except.is_some_and(|except| self.hides(except));
        let members = self.ledger.event(route, &cursor, hidden, out);
        self.relay_event(now, cursor, members);
    }

    /// An event of the past, for those that asked for it with this call. Adds the handlers that receive it to `out`, in
    /// their order.
    pub fn backfill(
        &mut self,
        now: u64,
        request_id: &str,
        route: Route,
        cursor: Option<Cursors>,
        except: Option<&Exclusion<'_>>,
        out: &mut Vec<HandlerId>,
    ) {
        if !self.connection.is_open() {
            return;
        }
        self.connection.heard(now);
        let hidden = except.is_some_and(|except| self.hides(except));
        let calls = self.ledger.backfill(small(request_id), route, &cursor, hidden, out);
        if !calls.is_empty() {
            self.tell(TabTell::Backfill { calls }, true);
        }
    }

    /// Whether an event is hidden from this tab. The server hides it from streams that declare their session; a shared
    /// stream declares none, so each tab checks for itself.
    #[must_use]
    pub fn hides(&self, except: &Exclusion<'_>) -> bool {
        self.auth.user_id() == Some(except.user_id)
            && (except.session_id == Some(&*self.identity.session_id)
                || except.device_id == Some(&*self.identity.device_id))
    }

    /// Whether the event that is about to be passed to its handlers is to be measured: then [`Self::timed`] has to
    /// follow.
    pub fn is_timed(&mut self) -> bool {
        self.connection.is_open() && self.latency.draws(&mut self.random)
    }

    /// Measures an event that the server accepted at this time, in milliseconds since 1970, and that is now passed to
    /// its handlers.
    pub fn timed(&mut self, now: u64, accepted_at: u64) {
        self.latency.time(now, accepted_at);
    }
}
