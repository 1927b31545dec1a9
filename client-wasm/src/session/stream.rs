//! What the stream says: who is confirmed, what is delivered to whom, what may be missing. The rules are DESIGN's "Rules
//! for resume".

use tidings_protocol::Pattern;

use super::{
    Action, Connected, Cursors, Frame, Rejected, Session,
    phase::{Attempt, Phase, Source, Stream},
    subscription::{Known, Standing, Subscription, raise},
};
use crate::{
    routes::{HandlerId, Hears},
    text::small,
};

impl Session {
    /// A control frame of the stream.
    pub fn frame(&mut self, now: u64, frame: Frame) {
        self.heard(now);
        match (&self.phase, frame) {
            (Phase::Connecting(_), Frame::Connected(connected)) => self.connected(now, connected),
            (Phase::Open(_), Frame::Subscribed { request_id, channels, addressed, cursor }) => {
                self.subscribed(now, &request_id, &channels, addressed, cursor);
            }
            (Phase::Open(_), Frame::Gap { channels: None, reason, id, .. }) => self.gap(now, reason, id),
            (Phase::Open(_), Frame::Gap { channels: Some(channels), addressed, cursor, reason, request_id, .. }) => {
                self.gap_on(now, (channels, addressed), cursor, reason, request_id.as_deref());
            }
            (Phase::Open(_), Frame::Heartbeat { id }) => {
                self.advance(now, id);
                self.post_place();
            }
            (Phase::Open(_), Frame::Revoked { channels, addressed, code }) => {
                self.tell_frame(Frame::Revoked { channels: channels.clone(), addressed, code: code.clone() });
                for channel in channels {
                    self.taken(Rejected { channel, code: code.clone() });
                }
                if addressed {
                    self.addressed_taken(&code);
                }
                self.sync_subscriptions(now);
            }
            (Phase::Open(_), Frame::Unseen(rejected)) => self.refuse_sight(rejected),
            (Phase::Open(_), Frame::Challenge) => self.say_alive(),
            (Phase::Open(_) | Phase::Connecting(_), Frame::Closing { reason, retry_ms }) => {
                self.dismissed(now, reason, retry_ms);
            }
            _ => {}
        }
    }

    fn connected(&mut self, now: u64, connected: Connected) {
        let before = std::mem::replace(&mut self.phase, Phase::Starting);
        let Phase::Connecting(attempt) = before else { return };
        if connected.heartbeat_ms > 0 {
            self.heartbeat_ms = connected.heartbeat_ms;
        }
        let (source, id) = (Source::Server, connected.connection_id.clone());
        let mut stream = Stream::new(now, source, id, self.heartbeat_ms, connected.alive_ms);
        stream.awaits_gap = attempt.cursor.is_some() && !connected.resumed;
        stream.calls.begin_with(&connected.channels);
        self.measure(now, &stream.connection_id, connected.timestamp_ms);
        self.user_id.clone_from(&connected.user_id);
        if self.check_user(now) {
            self.begin(now, stream, &attempt, connected);
        }
    }

    /// A stream is there: the server's, or one of the tab that leads.
    pub(super) fn begin(&mut self, now: u64, stream: Stream, attempt: &Attempt, connected: Connected) {
        self.restarts = 0;
        // What other tabs want does not begin where this page was rendered.
        let begins = |one: &Subscription, from_page: bool| one.owner == 0 || !from_page;
        let from_page = std::mem::take(&mut self.untried);
        let awaits_gap = stream.awaits_gap;
        self.enter(Phase::Open(stream));
        self.expires_in(now, connected.expires_in_ms);
        if !awaits_gap {
            self.advance(now, connected.id);
        }
        if std::mem::take(&mut self.owes_gap) {
            self.tell_gap("malformed".into());
        }

        self.ask_again();
        // All that was in the URL begins with the cursor that was in the URL, or else with the stream.
        let start = attempt.cursor.or(connected.id);
        let has_user = self.user_id.is_some();
        let mut expelled = Vec::new();
        let mut index = 0;
        while let Some(subscription) = self.subscriptions.get_mut(index) {
            index += 1;
            let id = subscription.id;
            match (subscription.hears, subscription.standing) {
                (Hears::Channels, _) => {}
                _ if Self::is_label(subscription) => continue,
                // The stream may have begun after that: a call brings what lies between.
                (Hears::Addressed, Standing::Pending { since: Some(since), .. })
                    if has_user && attempt.cursor != Some(since) =>
                {
                    continue;
                }
                (Hears::Addressed, _) => {
                    self.activate(id, None);
                    continue;
                }
                (Hears::Presence, _) => continue,
            }
            let confirmed = connected.channels.contains(&subscription.pattern);
            match subscription.standing {
                Standing::Active if confirmed => self.activate(id, start),
                Standing::Pending { since: None, .. } if confirmed && begins(subscription, from_page) => {
                    self.activate(id, start);
                }
                // The server neither took nor refused it.
                Standing::Active => {
                    subscription.standing = Standing::Pending { since: attempt.cursor, call: None };
                    subscription.heard(attempt.cursor);
                    expelled.push(id);
                }
                Standing::Pending { since: None, .. }
                    if begins(subscription, from_page) && attempt.asked.contains(&subscription.pattern) =>
                {
                    subscription.standing = Standing::Pending { since: attempt.cursor, call: None };
                }
                _ => {}
            }
        }
        for rejected in connected.rejected {
            self.refuse(rejected);
        }
        // What was refused is gone by now.
        expelled.into_iter().for_each(|id| self.expel(id));
        self.post_renewed();
        self.sync_subscriptions(now);
        self.ask_presence();
        self.admit_waiting();
    }

    /// A subscription hears all from here on, having heard all up to `mark`.
    pub(super) fn activate(&mut self, id: HandlerId, mark: Option<Cursors>) {
        let Some(subscription) = self.subscription(id) else { return };
        let before = std::mem::replace(&mut subscription.standing, Standing::Active);
        subscription.heard(mark);
        if subscription.owner > 0 {
            if before != Standing::Active {
                self.confirmed_for_other(id);
            }
            return;
        }
        let known = std::mem::replace(&mut subscription.known, Known::Hears);
        let hears = subscription.hears;
        let reason = if std::mem::take(&mut subscription.owes_gap) {
            "malformed"
        } else if known == Known::Refused && hears != Hears::Presence {
            // What was published while it was refused is not brought.
            "refused"
        } else {
            ""
        };
        let channel = subscription.pattern.clone();
        if known != Known::Hears {
            self.actions.push(Action::Settled { handler: id, refusal: None });
        }
        if !reason.is_empty() {
            let addressed = hears == Hears::Addressed;
            let channels = Some(if addressed { Vec::new() } else { vec![channel] });
            self.actions.push(Action::Gap {
                channels,
                addressed,
                cursor: None,
                reason: reason.into(),
                handlers: vec![id],
            });
        }
    }

    fn subscribed(
        &mut self,
        now: u64,
        request_id: &str,
        channels: &[Pattern],
        addressed: bool,
        cursor: Option<Cursors>,
    ) {
        let Phase::Open(stream) = &mut self.phase else { return };
        let is_of_server = matches!(stream.source, Source::Server);
        stream.calls.confirmed_at = cursor;
        // It names a record of the log like any other cursor: if the log should lose that record, and write another in
        // its place, our marks would hide the new one. So the server is to check it when we come back.
        raise(&mut self.seen, cursor);
        let Some(call) = small(request_id) else {
            // The server's own will.
            stream.calls.given(channels);
            return self.sync_subscriptions(now);
        };
        stream.calls.confirm(call, channels);
        let mut index = 0;
        while let Some(subscription) = self.subscriptions.get(index) {
            index += 1;
            let is_confirmed = match subscription.hears {
                Hears::Addressed => addressed,
                _ => channels.contains(&subscription.pattern),
            };
            if is_confirmed && subscription.awaits(call) {
                self.activate(subscription.id, cursor);
            }
        }
        // What the call asked for and is not confirmed was refused; the answer that says so may be lost. Of the past that came for
        // others it may have been given some, and nobody knows what else there was.
        // (A tab that leads says so itself.)
        let has_holes =
            |one: &&Subscription| is_of_server && one.hears == Hears::Channels && one.awaits(call) && one.has_begun();
        while let Some(one) = self.subscriptions.iter().find(has_holes) {
            let rejected = Rejected { channel: one.pattern.clone(), code: "forbidden".into() };
            self.refuse(rejected);
        }
        self.sync_subscriptions(now);
    }
}
