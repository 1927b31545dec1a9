//! What the members ask for.

use tidings_protocol::Pattern;

use super::{
    super::{
        Action, Connected, Cursors, Frame, Rejected, Session,
        message::{Call, TabAsk, TabTell},
        phase::Phase,
        subscription::{Standing, Subscription, raise},
        tabs::{Part, Tabs},
    },
    LABEL, Member, Outcome, PENDING, UNASKED, Waiting,
};
use crate::routes::{HandlerId, Hears};

impl Session {
    /// Another tab asks for something.
    pub(in crate::session) fn asked(&mut self, now: u64, tab: String, ask: TabAsk) {
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
    pub(in crate::session) fn admit_waiting(&mut self) {
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
    pub(super) fn connected_of_hub(&self) -> Option<Connected> {
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
    pub(in crate::session) fn place(&self) -> Option<Cursors> {
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
    pub(in crate::session) fn is_label(one: &Subscription) -> bool {
        one.owner > 0 && one.request == LABEL
    }

    /// Whether it is nobody's handler: a tab is given what is addressed to its user, whether or not it hears any of it.
    pub(in crate::session) fn is_unasked(one: &Subscription) -> bool {
        one.owner > 0 && one.request == UNASKED
    }

    /// What a member asked for is carried from here on.
    pub(in crate::session) fn confirmed_for_other(&mut self, id: HandlerId) {
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
    pub(in crate::session) fn refused_for_other(&mut self, member: u32, rejected: Rejected, hears: Hears) {
        let Some(hub) = self.hub() else { return };
        if hears == Hears::Presence {
            return self.tell(TabTell::Frame { member: Some(member), frame: Frame::Unseen(rejected) });
        }
        hub.outcomes.push(Outcome::Refused { member, rejected });
    }

    /// The server gives these of its own will. A tab that is refused one of them by the answer to a call of before is to be told of that
    /// first.
    pub(in crate::session) fn given_to_others(&mut self, channels: Vec<Pattern>, cursor: Option<Cursors>) {
        if !channels.is_empty()
            && let Some(hub) = self.hub()
        {
            hub.outcomes.push(Outcome::Given { channels, cursor });
        }
    }

    /// Drops what other tabs asked for.
    #[inline(never)]
    pub(in crate::session) fn drop_others(&mut self, which: &dyn Fn(&Subscription) -> bool) {
        if self.remove_others(which) {
            self.presence_changed();
        }
    }

    /// The same where the server knows it. Whether one of them was about who is online.
    #[inline(never)]
    pub(in crate::session) fn remove_others(&mut self, which: &dyn Fn(&Subscription) -> bool) -> bool {
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
    pub(in crate::session) fn expel(&mut self, subscription: HandlerId) {
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

    /// Ends the sharing with all that are here, who ask again.
    pub(in crate::session) fn forget_others(&mut self) {
        if let Some(Tabs { part: Part::Leading(hub), .. }) = &mut self.tabs {
            hub.members.clear();
            hub.waiting.clear();
        }
        self.drop_others(&|_| true);
    }
}
