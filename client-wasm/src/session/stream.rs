//! What the stream says: who is confirmed, what is delivered to whom, what may be missing. The rules are DESIGN's "Rules
//! for resume".

use std::borrow::Cow;

use tidings_protocol::Pattern;

use super::{
    Action, Connected, Cursors, Exclusion, Frame, Rejected, Session, Trouble,
    link::{Attempt, Phase, Source, Stream},
    message::TabTell,
    subscription::{Known, Standing, Subscription, find, raise},
};
use crate::{
    routes::{HandlerId, Hears, Route},
    text::{small, text_of},
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

    /// A record of the stream, live or replayed. Adds those who hear it to `out`, in their order.
    pub fn record(
        &mut self,
        now: u64,
        route: Route,
        position: Option<Cursors>,
        except: Option<&Exclusion<'_>>,
        out: &mut Vec<HandlerId>,
    ) {
        if !matches!(self.phase, Phase::Open(_)) {
            return;
        }
        self.heard(now);
        self.advance(now, position);
        let hidden = except.is_some_and(|except| self.hides(except));
        let mut members = Vec::new();
        let Self { routes, subscriptions, .. } = self;
        for id in routes.handlers(route) {
            let Some(subscription) = find(subscriptions, *id) else { continue };
            if subscription.standing != Standing::Active {
                continue;
            }
            if subscription.owner == 0 {
                // Other tabs look for themselves.
                out.extend((!hidden && subscription.misses(position)).then_some(*id));
            } else if !members.contains(&subscription.owner) {
                members.push(subscription.owner);
            }
        }
        self.relay_event(now, position, members);
    }

    /// A record of the past, for those who asked for it by this call. Adds those who hear it to `out`, in their order.
    pub fn backfill(
        &mut self,
        now: u64,
        request_id: &str,
        route: Route,
        position: Option<Cursors>,
        except: Option<&Exclusion<'_>>,
        out: &mut Vec<HandlerId>,
    ) {
        if !matches!(self.phase, Phase::Open(_)) {
            return;
        }
        self.heard(now);
        raise(&mut self.seen, position);
        let Some(call) = small(request_id) else { return };
        let hidden = except.is_some_and(|except| self.hides(except));
        let mut calls = Vec::new();
        let Self { routes, subscriptions, .. } = self;
        for id in routes.handlers(route) {
            let Some(subscription) = find(subscriptions, *id) else { continue };
            if !subscription.awaits(call) || !subscription.misses(position) {
                continue;
            }
            subscription.heard(position);
            let theirs = (subscription.owner, subscription.request);
            if subscription.owner == 0 {
                out.extend((!hidden).then_some(*id));
            } else if !calls.contains(&theirs) {
                calls.push(theirs);
            }
        }
        self.relay_backfill(calls);
    }

    /// Whether a record is hidden from this tab. The server hides it from streams that declare their session; one shared by
    /// several tabs declares none, and there each tab asks for itself.
    #[must_use]
    pub fn hides(&self, except: &Exclusion<'_>) -> bool {
        self.user_id.as_deref() == Some(except.user_id)
            && (except.session_id == Some(&*self.identity.session_id)
                || except.device_id == Some(&*self.identity.device_id))
    }

    /// Anything may be missing, on all of the stream.
    pub(super) fn gap(&mut self, now: u64, reason: String, id: Option<Cursors>) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.awaits_gap = false;
            stream.calls.confirmed_at = None;
        }
        if id.is_some() {
            self.cursor = id;
            self.seen = id;
        }
        self.tell_frame(gap_frame(None, true, None, reason.clone(), id));
        self.start_over(id);
        self.tell_gap(reason.into());
        self.sync_subscriptions(now);
        // Who came before it was known where the stream goes on.
        self.admit_waiting();
    }

    /// These are told that they may have missed something up to here, and refetch.
    fn start_over(&mut self, id: Option<Cursors>) {
        for subscription in &mut self.subscriptions {
            subscription.mark = id;
            // Asking for that past again could only tell it once more.
            if let Standing::Pending { since: Some(since), .. } = &mut subscription.standing
                && let Some(id) = id
            {
                *since = id;
            }
        }
    }

    /// Something may be missing on these channels, and where it says so among the addressed events, up to a cursor: to those who asked
    /// for it by this call, or without one to all of them who have not had that much.
    fn gap_on(
        &mut self,
        now: u64,
        (channels, addressed): (Vec<Pattern>, bool),
        up_to: Option<Cursors>,
        reason: String,
        request_id: Option<&str>,
    ) {
        let call = request_id.and_then(small);
        if call.is_none() && up_to.is_some() {
            // The stream goes on from here, so it need not be told once more after a cut.
            self.cursor = up_to;
            raise(&mut self.seen, up_to);
        }
        if call.is_none() {
            self.tell_frame(gap_frame(Some(channels.clone()), addressed, up_to, reason.clone(), None));
        }
        let (mut handlers, mut calls) = (Vec::new(), Vec::new());
        for subscription in &mut self.subscriptions {
            let is_meant = match subscription.hears {
                Hears::Addressed => addressed,
                _ => subscription.is_wanted() && channels.iter().any(|channel| channel.overlaps(&subscription.pattern)),
            };
            // One that is not confirmed is brought its past by its call, and told by that what is missing in it; but a gap of which nobody
            // says how far it goes concerns it too.
            let is_told = match call {
                Some(call) => subscription.awaits(call),
                None => subscription.standing == Standing::Active || up_to.is_none(),
            };
            if is_meant && is_told && subscription.misses(up_to) {
                // One that is not confirmed keeps its `since`, for nothing promises yet what follows the gap; but it may be that
                // very place which the log has lost.
                subscription.mark = up_to;
                let theirs = (subscription.owner, subscription.request);
                if subscription.owner == 0 {
                    handlers.push(subscription.id);
                } else if !calls.contains(&theirs) {
                    calls.push(theirs);
                }
            }
        }
        // Where it concerns tabs, it is told to the application of those alone.
        let is_told = !handlers.is_empty() || calls.is_empty() && !self.phase.is_led();
        for (member, request) in calls.into_iter().filter(|_| call.is_some()) {
            let mut frame = gap_frame(Some(channels.clone()), addressed, up_to, reason.clone(), None);
            if let Frame::Gap { request_id, .. } = &mut frame {
                *request_id = Some(text_of(request));
            }
            self.tell(TabTell::Frame { member: Some(member), frame });
        }
        if is_told {
            let (channels, reason) = (Some(channels), reason.into());
            self.actions.push(Action::Gap { channels, addressed, cursor: up_to, reason, handlers });
        }
        self.sync_subscriptions(now);
    }

    pub(super) fn tell_gap(&mut self, reason: Cow<'static, str>) {
        let told = self.subscriptions.iter().filter(|one| one.is_wanted() && one.owner == 0);
        let handlers = told.map(|subscription| subscription.id).collect();
        self.actions.push(Action::Gap { channels: None, addressed: true, cursor: None, reason, handlers });
    }

    /// The server will not have a channel, or no longer, on this stream.
    pub(super) fn refuse(&mut self, rejected: Rejected) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.calls.drop_channel(&rejected.channel);
        }
        self.refuse_these(rejected, &|one| one.hears == Hears::Channels, true);
    }

    /// The stream no longer carries a channel. A call that asks for it may be judged later than that, or accepted before: it is
    /// made again.
    fn taken(&mut self, rejected: Rejected) {
        if let Phase::Open(stream) = &mut self.phase {
            stream.calls.drop_channel(&rejected.channel);
        }
        for subscription in self.subscriptions.iter_mut().filter(|one| one.pattern == rejected.channel) {
            if let Standing::Pending { call, .. } = &mut subscription.standing {
                *call = None;
            }
        }
        let is_meant = |one: &Subscription| one.hears == Hears::Channels && one.standing == Standing::Active;
        // All tabs have been given the frame itself.
        self.refuse_these(rejected, &is_meant, false);
    }

    /// The stream no longer carries what is addressed to the user or device.
    fn addressed_taken(&mut self, code: &str) {
        let is_meant =
            |one: &Subscription| one.owner == 0 && one.hears == Hears::Addressed && one.standing == Standing::Active;
        while let Some(one) = self.subscriptions.iter().find(|one| is_meant(one)) {
            let rejected = Rejected { channel: one.pattern.clone(), code: code.to_owned() };
            self.refuse_these(rejected, &is_meant, false);
        }
    }

    /// What was refused is asked for once more: its time may have come by a new stream, or by other credentials. (By what the server
    /// gives as well: see `sync_subscriptions`.) Should it be
    /// refused again, nobody is told again.
    pub(super) fn ask_again(&mut self) {
        let mut watches = false;
        for subscription in &mut self.subscriptions {
            if subscription.standing == Standing::Refused && subscription.owner == 0 {
                subscription.standing = Standing::Pending { since: None, call: None };
                watches |= subscription.hears == Hears::Presence;
            }
        }
        if watches {
            self.presence_changed();
        }
    }

    /// Tells those of the channel's handlers that are meant, unless that is what they were told last; and where nothing else `tells`
    /// them, the tabs that asked.
    pub(super) fn refuse_these(&mut self, rejected: Rejected, which: &dyn Fn(&Subscription) -> bool, tells: bool) {
        let Rejected { channel, code } = rejected;
        let (mut told, mut others, cursor) = (false, Vec::new(), self.cursor);
        for subscription in &mut self.subscriptions {
            if subscription.standing != Standing::Refused && subscription.pattern == channel && which(subscription) {
                // Should it come back on a stream that begins before this, for another tab's sake, it has heard all up to here.
                if subscription.standing == Standing::Active {
                    subscription.heard(cursor);
                }
                subscription.standing = Standing::Refused;
                if subscription.owner > 0 {
                    others.push((subscription.id, subscription.owner, subscription.hears));
                    continue;
                }
                if std::mem::replace(&mut subscription.known, Known::Refused) != Known::Refused {
                    told = true;
                    let refusal = Some(Cow::Owned(code.clone()));
                    self.actions.push(Action::Settled { handler: subscription.id, refusal });
                }
            }
        }
        for (id, member, hears) in others {
            let rejected = Rejected { channel: channel.clone(), code: code.clone() };
            self.remove_others(&|one| one.id == id);
            if tells {
                self.refused_for_other(member, rejected, hears);
            }
        }
        if told {
            let trouble = Trouble { code: Cow::Owned(code), channel: Some(channel), ..Trouble::default() };
            self.actions.push(Action::Error(trouble));
        }
    }
}

/// The frame that tells of a gap without a call.
fn gap_frame(
    channels: Option<Vec<Pattern>>,
    addressed: bool,
    cursor: Option<Cursors>,
    reason: String,
    id: Option<Cursors>,
) -> Frame {
    Frame::Gap { channels, addressed, cursor, reason, request_id: None, id }
}
