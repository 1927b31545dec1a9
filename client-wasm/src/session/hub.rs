//! The leader as a small hub for the other tabs: whose streams there are, and what each of them carries.
//!
//! What a member asks for is asked of the server together with the leader's own, and stands in the ledger under the member's number.
//! What the server brings is handed on as it came: events to those who asked for their channel, backfill to whose call it was, gaps to
//! all whom they may concern. A member compares with its own floors, as it would on a stream of the server.
//!
//! The stream is nobody's but the leader's: a tab that is somewhere else, because it was away or another led until now, is
//! brought what it missed by a call, addressed events too.

use tidings_protocol::Pattern;

use super::{
    Action, Connected, Cursors, Frame, Message, Rejected, Session, Status, Trouble,
    link::Phase,
    message::{Call, TabAsk, TabTell},
    subscription::{Standing, Subscription, raise},
    tabs::{Part, Tabs},
};
use crate::{
    routes::{HandlerId, Hears},
    text::text_of,
};

/// How far the stream is, without an event for anybody, is handed on at most this often.
const PLACE_MS: u64 = 1_000;

/// What a leader knows of the others.
#[derive(Debug)]
pub(super) struct Hub {
    term: String,
    said: u32,
    /// The place is said by this time, so that the others do not think that nobody leads.
    beat_at: u64,
    placed_at: u64,
    members: Vec<Member>,
    numbers: u32,
    /// Who asked before there was a stream.
    waiting: Vec<Waiting>,
    /// What became of that which members asked for, to be told at the end of the input, call by call.
    outcomes: Vec<Outcome>,
    /// What members asked for and had before; forgotten at the end of the input.
    doubles: Vec<HandlerId>,
    /// Calls of members about presence that are answered when the leader's own is.
    watching: Vec<(u32, u32)>,
}

/// A tab that follows.
#[derive(Debug)]
struct Member {
    number: u32,
    name: String,
}

/// A tab that asked for a stream.
#[derive(Debug)]
struct Waiting {
    name: String,
    attempt: u32,
    user: String,
    channels: Vec<Pattern>,
}

#[derive(Debug)]
enum Outcome {
    Confirmed { member: u32, call: u32, channel: Option<Pattern>, cursor: Option<Cursors> },
    Refused { member: u32, rejected: Rejected },
    Given { channels: Vec<Pattern>, cursor: Option<Cursors> },
}

impl Hub {
    pub(super) fn new(term: String) -> Self {
        Self {
            term,
            said: 0,
            beat_at: 0,
            placed_at: 0,
            members: Vec::new(),
            numbers: 0,
            waiting: Vec::new(),
            outcomes: Vec::new(),
            doubles: Vec::new(),
            watching: Vec::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.members.is_empty()).then_some(self.beat_at)
    }

    fn take_member(&mut self, name: &str) -> Option<Member> {
        let index = self.members.iter().position(|member| member.name == name)?;
        Some(self.members.remove(index))
    }

    /// The next thing to say.
    pub(super) fn next(&mut self, tell: TabTell) -> Message {
        self.said += 1;
        Message::Tell { term: self.term.clone(), number: self.said, tell }
    }
}

impl Session {
    #[inline(never)]
    pub(super) fn tell(&mut self, tell: TabTell) {
        self.post(tell, false);
    }

    #[inline(never)]
    fn post(&mut self, tell: TabTell, with_frame: bool) {
        if let Some(hub) = self.hub() {
            let message = hub.next(tell);
            self.actions.push(Action::Post { message, with_frame });
        }
    }

    /// Says something to all members, if there are any.
    #[inline(never)]
    pub(super) fn tell_others(&mut self, tell: TabTell) {
        if self.hub().is_some_and(|hub| !hub.members.is_empty()) {
            self.tell(tell);
        }
    }

    /// Hands a frame on to all members.
    pub(super) fn tell_frame(&mut self, frame: Frame) {
        self.tell_others(TabTell::Frame { member: None, frame });
    }

    /// Hands an event on, or the place it leads to.
    pub(super) fn relay_event(&mut self, now: u64, id: Option<Cursors>, members: Vec<u32>) {
        let Some(hub) = self.hub() else { return };
        if !members.is_empty() {
            self.post(TabTell::Event { id, members }, true);
        } else if now >= hub.placed_at.saturating_add(PLACE_MS) {
            hub.placed_at = now;
            self.post_place();
        }
    }

    /// Hands an event of the past on to those who asked for it.
    pub(super) fn relay_backfill(&mut self, calls: Vec<(u32, u32)>) {
        if !calls.is_empty() {
            self.post(TabTell::Backfill { calls }, true);
        }
    }

    pub(super) fn post_place(&mut self) {
        let id = self.place();
        self.tell_frame(Frame::Heartbeat { id });
    }

    /// The stream goes on from here, perhaps for those whose credentials are others now.
    pub(super) fn post_renewed(&mut self) {
        if let Some(connected) = self.connected_of_hub() {
            self.tell_frame(Frame::Connected(connected));
        }
    }

    pub(super) fn post_status(&mut self, status: &Status) {
        self.tell_others(TabTell::Status(status.clone()));
    }

    pub(super) fn post_trouble(&mut self, trouble: &Trouble) {
        self.tell_others(TabTell::Trouble(trouble.clone()));
    }

    /// Another tab asks for something.
    pub(super) fn asked(&mut self, now: u64, tab: String, ask: TabAsk) {
        let Some(hub) = self.hub() else { return };
        let member = hub.members.iter().find(|member| member.name == tab).map(|member| member.number);
        match ask {
            TabAsk::Open { attempt, user, channels } => {
                hub.waiting.retain(|one| one.name != tab);
                hub.waiting.push(Waiting { name: tab.clone(), attempt, user, channels });
                self.admit_waiting();
                // Whoever has to wait is to know that somebody leads.
                if self.hub().is_some_and(|hub| hub.waiting.iter().any(|one| one.name == tab)) {
                    let status = self.status();
                    self.tell(TabTell::Wait { tab, status });
                }
            }
            TabAsk::Call { number, call } => {
                let Some(member) = member else { return self.is_unknown(tab) };
                if self.called(member, number, call) {
                    self.tell(TabTell::Answer { member, number, status: 200 });
                }
            }
            TabAsk::Labels { labels } => {
                let Some(member) = member else { return };
                self.drop_others(&|one| one.owner == member && one.request == LABEL);
                for label in labels {
                    self.add_other(member, LABEL, Hears::Addressed, label, Standing::Refused, None);
                }
            }
            TabAsk::Probe { connect } => {
                if member.is_none() {
                    self.is_unknown(tab);
                }
                if connect {
                    self.connect();
                } else {
                    self.probe_or_retry_now(now, false);
                }
                // That it is there is what it was asked for.
                self.post_place();
            }
        }
    }

    /// Somebody who believes to have a stream here.
    fn is_unknown(&mut self, tab: String) {
        if self.hub().is_some_and(|hub| hub.waiting.iter().all(|one| one.name != tab)) {
            self.tell(TabTell::Lead { tab: Some(tab) });
        }
    }

    /// Gives streams to those who wait, once there is one whose user is known.
    pub(super) fn admit_waiting(&mut self) {
        let Some(connected) = self.connected_of_hub() else { return };
        let Some(who) = self.tabs.as_ref().and_then(Tabs::who).map(str::to_owned) else { return };
        let Some(hub) = self.hub() else { return };
        for one in std::mem::take(&mut hub.waiting) {
            if one.user == who {
                self.admit(one, connected.clone());
            } else {
                self.tell(TabTell::OtherUser { tab: one.name });
            }
        }
    }

    fn admit(&mut self, one: Waiting, mut connected: Connected) {
        let Waiting { name: tab, attempt, channels, .. } = one;
        let Some(hub) = self.hub() else { return };
        let before = hub.take_member(&tab);
        hub.numbers += 1;
        let number = hub.numbers;
        hub.members.push(Member { number, name: tab.clone() });
        if let Some(before) = before {
            // To leave a channel that is asked for again in a moment would cost the stream.
            for one in self.subscriptions.iter_mut().filter(|one| one.owner == before.number) {
                if one.hears == Hears::Channels && one.standing == Standing::Active && channels.contains(&one.pattern) {
                    one.owner = number;
                    connected.channels.push(one.pattern.clone());
                }
            }
            self.drop_others(&|one| one.owner == before.number);
        }
        let frame = Frame::Connected(connected);
        // A stream carries what is addressed to its user without being asked.
        self.add_other(number, UNASKED, Hears::Addressed, Pattern::all(), Standing::Active, None);
        let status = self.status();
        self.tell(TabTell::Welcome { tab: tab.clone(), attempt, member: number, status, frame });
        self.actions.push(Action::Watch { tab });
    }

    /// The first frame of a member's stream, once the leader's own goes on.
    fn connected_of_hub(&self) -> Option<Connected> {
        let Phase::Open(stream) = &self.phase else { return None };
        (!stream.awaits_gap).then(|| Connected {
            id: self.cursor,
            connection_id: stream.connection_id.clone(),
            user_id: self.user_id.clone(),
            heartbeat_ms: self.heartbeat_ms,
            alive_ms: stream.watch.alive_ms(),
            ..Connected::default()
        })
    }

    /// Where the stream is, for those who follow it: not before it goes on from there.
    pub(super) fn place(&self) -> Option<Cursors> {
        match &self.phase {
            Phase::Open(stream) if !stream.awaits_gap => self.cursor,
            _ => None,
        }
    }

    /// A member's call. Whether it is answered at once.
    fn called(&mut self, member: u32, number: u32, call: Call) -> bool {
        match call {
            Call::Subscribe { channels, addressed, since } => {
                for channel in channels {
                    self.subscribed_by(member, number, Hears::Channels, channel, since);
                }
                if addressed {
                    self.subscribed_by(member, number, Hears::Addressed, Pattern::all(), since);
                }
            }
            Call::Unsubscribe { channels } => {
                self.drop_others(&|one| {
                    one.owner == member && one.hears == Hears::Channels && channels.contains(&one.pattern)
                });
            }
            Call::Presence { channels } => {
                self.drop_others(&|one| one.owner == member && one.hears == Hears::Presence);
                for channel in channels {
                    self.add_other(member, number, Hears::Presence, channel, PENDING, None);
                }
                // Of what was told before, the other tab knows what its last leader knew.
                self.presence_changed();
                if let Some(hub) = self.hub() {
                    hub.watching.push((member, number));
                }
                return false;
            }
            Call::Alive => {}
        }
        true
    }

    /// A member subscribes to one channel, or to what was addressed to its user since.
    fn subscribed_by(&mut self, member: u32, call: u32, hears: Hears, pattern: Pattern, since: Option<Cursors>) {
        let is_same = |one: &Subscription| {
            one.owner == member && one.request == call && one.hears == hears && one.pattern == pattern
        };
        // Said again, because the answer was lost.
        if self.subscriptions.iter().any(is_same) {
            return;
        }
        // It is where the stream is, which carries it from there on.
        let goes_on = since.is_some()
            && since == self.place()
            && match &self.phase {
                Phase::Open(stream) if hears == Hears::Channels => stream.calls.carries_from(&pattern, since),
                _ => hears == Hears::Addressed,
            };
        let standing = Standing::Pending { since, call: None };
        let id = self.add_other(member, call, hears, pattern, standing, since);
        if goes_on {
            self.activate(id, since);
        }
    }

    fn add_other(
        &mut self,
        owner: u32,
        request: u32,
        hears: Hears,
        pattern: Pattern,
        standing: Standing,
        mark: Option<Cursors>,
    ) -> HandlerId {
        let id = HandlerId(self.next_handler);
        self.next_handler += 1;
        self.routes.add(id, hears, pattern.clone());
        self.subscriptions.push(Subscription {
            owner,
            request,
            standing,
            mark,
            ..Subscription::new(id, hears, pattern)
        });
        self.dirty = true;
        id
    }

    /// Whether a handler of another tab hears nothing by itself: it only says what its tab hears.
    pub(super) fn is_label(one: &Subscription) -> bool {
        one.owner > 0 && one.request == LABEL
    }

    /// Whether it is nobody's handler: a tab is given what is addressed to its user, whether or not it hears any of it.
    pub(super) fn is_unasked(one: &Subscription) -> bool {
        one.owner > 0 && one.request == UNASKED
    }

    /// What a member asked for is carried from here on.
    pub(super) fn confirmed_for_other(&mut self, id: HandlerId) {
        let cursor = self.cursor;
        let Some(one) = self.subscription(id) else { return };
        let (member, call, hears) = (one.owner, one.request, one.hears);
        if hears == Hears::Presence || call == UNASKED {
            return;
        }
        let channel = (hears == Hears::Channels).then(|| one.pattern.clone());
        let mut mark = one.mark.or(cursor);
        if cursor.zip(mark).is_some_and(|(cursor, mark)| cursor.is_of_same(&mark)) {
            raise(&mut mark, cursor);
        }
        // One that stood before carries it as well.
        let stood = |one: &Subscription| {
            one.id != id && one.owner == member && one.hears == hears && one.standing == Standing::Active
        };
        let pattern = one.pattern.clone();
        let is_double = self.subscriptions.iter().any(|one| stood(one) && one.pattern == pattern);
        if let Some(hub) = self.hub() {
            hub.doubles.extend(is_double.then_some(id));
            hub.outcomes.push(Outcome::Confirmed { member, call, channel, cursor: mark });
        }
    }

    /// What a member asked for is refused; it is forgotten, for the member asks again when there is reason to.
    pub(super) fn refused_for_other(&mut self, member: u32, rejected: Rejected, hears: Hears) {
        let Some(hub) = self.hub() else { return };
        if hears == Hears::Presence {
            return self.tell(TabTell::Frame { member: Some(member), frame: Frame::Unseen(rejected) });
        }
        hub.outcomes.push(Outcome::Refused { member, rejected });
    }

    /// The server gives these of its own will. A tab that is refused one of them by the answer to a call of before is to be told of that
    /// first.
    pub(super) fn given_to_others(&mut self, channels: Vec<Pattern>, cursor: Option<Cursors>) {
        if !channels.is_empty()
            && let Some(hub) = self.hub()
        {
            hub.outcomes.push(Outcome::Given { channels, cursor });
        }
    }

    /// The end of an input: tells members what became of their calls.
    pub(super) fn tell_outcomes(&mut self) {
        let is_watching = match &self.phase {
            Phase::Open(stream) => stream.watch.is_waiting(),
            _ => true,
        };
        let Some(hub) = self.hub() else { return };
        let mut outcomes = std::mem::take(&mut hub.outcomes);
        let watching = if is_watching { Vec::new() } else { std::mem::take(&mut hub.watching) };
        let doubles = std::mem::take(&mut hub.doubles);
        if !doubles.is_empty() {
            self.remove_others(&|one| doubles.contains(&one.id));
        }
        while let Some(first) = outcomes.first() {
            match first {
                Outcome::Given { channels, cursor } => {
                    let (channels, cursor) = (channels.clone(), *cursor);
                    outcomes.remove(0);
                    let request_id = "server".to_owned();
                    self.tell_frame(Frame::Subscribed { request_id, channels, addressed: false, cursor });
                }
                Outcome::Confirmed { member, call, cursor, .. } => {
                    let (member, call, cursor) = (*member, *call, *cursor);
                    let (mut channels, mut addressed) = (Vec::new(), false);
                    outcomes.retain_mut(|outcome| match outcome {
                        Outcome::Confirmed { member: m, call: c, channel, cursor: at }
                            if (*m, *c, *at) == (member, call, cursor) =>
                        {
                            match channel.take() {
                                Some(channel) => channels.push(channel),
                                None => addressed = true,
                            }
                            false
                        }
                        _ => true,
                    });
                    let frame = Frame::Subscribed { request_id: text_of(call), channels, addressed, cursor };
                    self.tell(TabTell::Frame { member: Some(member), frame });
                }
                Outcome::Refused { member, .. } => {
                    let member = *member;
                    let mut refused = Vec::new();
                    outcomes.retain(|outcome| match outcome {
                        Outcome::Refused { member: m, rejected } if *m == member => {
                            refused.push(rejected.clone());
                            false
                        }
                        _ => true,
                    });
                    self.tell(TabTell::Refused { member, rejected: refused });
                }
            }
        }
        for (member, number) in watching {
            self.tell(TabTell::Answer { member, number, status: 200 });
        }
    }

    /// Drops what other tabs asked for.
    #[inline(never)]
    pub(super) fn drop_others(&mut self, which: &dyn Fn(&Subscription) -> bool) {
        if self.remove_others(which) {
            self.presence_changed();
        }
    }

    /// The same where the server knows it. Whether one of them was about who is online.
    #[inline(never)]
    pub(super) fn remove_others(&mut self, which: &dyn Fn(&Subscription) -> bool) -> bool {
        let Self { subscriptions, routes, dirty, .. } = self;
        let mut watched = false;
        subscriptions.retain(|one| {
            let stays = one.owner == 0 || !which(one);
            if !stays {
                routes.remove(one.id);
                *dirty = true;
                watched |= one.hears == Hears::Presence;
            }
            stays
        });
        watched
    }

    /// The stream goes on without something that a member was told it carries: the member is to ask for it anew, from where it is.
    pub(super) fn expel(&mut self, subscription: HandlerId) {
        let Some(one) = self.subscription(subscription) else { return };
        let owner = one.owner;
        self.drop_others(&|one| one.id == subscription);
        let Some(hub) = self.hub() else { return };
        let tab = hub.members.iter().find(|member| member.number == owner).map(|member| member.name.clone());
        if tab.is_some() {
            self.tell(TabTell::Lead { tab });
        }
    }

    /// A tab is gone, however it went.
    pub fn gone(&mut self, tab: &str) {
        let Some(hub) = self.hub() else { return };
        hub.waiting.retain(|one| one.name != tab);
        let member = hub.take_member(tab);
        if let Some(member) = member {
            self.drop_others(&|one| one.owner == member.number);
        }
    }

    pub(super) fn wake_hub(&mut self, now: u64) {
        let heartbeat_ms = self.heartbeat_ms;
        let Some(hub) = self.hub() else { return };
        if now >= hub.beat_at {
            hub.beat_at = now.saturating_add(heartbeat_ms);
            self.post_place();
        }
    }

    /// Ends the sharing with all that are here, who ask again.
    pub(super) fn forget_others(&mut self) {
        if let Some(Tabs { part: Part::Leading(hub), .. }) = &mut self.tabs {
            hub.members.clear();
            hub.waiting.clear();
        }
        self.drop_others(&|_| true);
    }
}

/// The number of no call: what a stream carries without being asked.
const UNASKED: u32 = 0;
/// Of what says by which labels a tab hears, and brings it nothing.
const LABEL: u32 = u32::MAX;
/// Asked for, and not yet of the server.
const PENDING: Standing = Standing::Pending { since: None, call: None };
