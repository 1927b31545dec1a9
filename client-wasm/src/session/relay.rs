//! The leader's side: the handlers of other tabs as handlers of this session, and what the stream brings handed on.
//!
//! All that is handed on is numbered, so that a tab knows when it has missed something, and then it joins again. What a tab
//! says to the leader is numbered as well: where something is missing the tab is called to join again, and with its place the
//! leader says how much it has heard of each, so that a tab whose last word is lost knows it too. What is
//! handed on is decided here; the tabs obey.
//!
//! The stream is nobody's but the leader's: a tab that is somewhere else, because it was away or another led until now, is
//! brought what it missed by a call, addressed events too, as a handler is that was made with a `since`.

use super::{
    Action, Cursors, Session, Status, Trouble,
    address::{DECIMAL, push_number},
    link::Phase,
    subscription::{Known, Standing, Subscription, Told, raise},
    tabs::{Part, Tabs},
    words::{Line, Words},
};
use crate::routes::{HandlerId, Hears};

/// A place without an event for anybody is handed on at most this often.
const PLACE_MS: u64 = 1_000;

/// What a leader knows of the others.
#[derive(Debug)]
pub(super) struct Relay {
    pub(super) term: String,
    pub(super) posts: u32,
    /// The place is said by this time, so that the others do not think that nobody leads.
    beat_at: u64,
    placed_at: u64,
    members: Vec<Member>,
    numbers: u32,
    /// Who came before it was known whose the stream is, and what they said.
    waiting: Vec<(String, String)>,
}

/// A tab that follows.
#[derive(Debug)]
struct Member {
    number: u32,
    name: String,
    /// How much it has said since it was taken in.
    said: u32,
}

impl Relay {
    pub(super) fn new(term: String) -> Self {
        Self { term, posts: 0, beat_at: 0, placed_at: 0, members: Vec::new(), numbers: 0, waiting: Vec::new() }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.members.is_empty()).then_some(self.beat_at)
    }
}

/// Adds a handler of another tab to a list of them.
pub(super) fn list(to: &mut String, owner: u32, theirs: u32) {
    if !to.is_empty() {
        to.push(',');
    }
    push_number(to, u64::from(owner), DECIMAL);
    to.push('.');
    push_number(to, u64::from(theirs), DECIMAL);
}

impl Session {
    /// Begins the next thing to say to all followers, if anybody is there to be told.
    pub(super) fn tell_others(&mut self, kind: &str) -> Option<Line<'_>> {
        match self.relay() {
            Some(relay) if !relay.members.is_empty() => Some(self.say(kind)),
            _ => None,
        }
    }

    /// Hands a record on, or the place it leads to.
    pub(super) fn relay_record(&mut self, now: u64, position: Option<Cursors>, to: &str) {
        let Some(relay) = self.relay() else { return };
        if !to.is_empty() {
            self.say_with_frame("R").cursor(&position).word(to);
        } else if now >= relay.placed_at.saturating_add(PLACE_MS) {
            relay.placed_at = now;
            self.post_place();
        }
    }

    pub(super) fn post_place(&mut self) {
        let cursor = self.place();
        let mut heard = String::new();
        for member in self.relay().into_iter().flat_map(|relay| &relay.members) {
            list(&mut heard, member.number, member.said);
        }
        if let Some(line) = self.tell_others("P") {
            line.cursor(&cursor).word(&heard);
        }
    }

    /// The stream goes on from here.
    pub(super) fn post_opened(&mut self) {
        let cursor = self.cursor;
        if let Some(line) = self.tell_others("O") {
            line.cursor(&cursor);
        }
    }

    pub(super) fn post_status(&mut self, status: &Status) {
        let heartbeat_ms = self.heartbeat_ms;
        if let Some(line) = self.tell_others("S") {
            status.say(line.number(heartbeat_ms));
        }
    }

    pub(super) fn post_trouble(&mut self, trouble: &Trouble) {
        if let Some(line) = self.tell_others("E") {
            let line = line.word(&trouble.code).number(u64::from(trouble.status.unwrap_or(0)));
            line.word(trouble.detail.as_deref().unwrap_or_default());
        }
    }

    /// A handler of another tab hears from here on.
    pub(super) fn post_settled(&mut self, id: HandlerId) {
        let cursor = self.cursor;
        if let Some(subscription) = self.subscription(id) {
            let (owner, theirs) = (subscription.owner, subscription.theirs);
            let mut mark = subscription.mark.or(cursor);
            if cursor.zip(mark).is_some_and(|(cursor, mark)| cursor.is_of_same(&mark)) {
                raise(&mut mark, cursor);
            }
            self.say("K").handler(owner, theirs).cursor(&mark);
        }
    }

    /// A handler of another tab, which heard, waits to be confirmed again.
    pub(super) fn post_demoted(&mut self, id: HandlerId) {
        if let Some(subscription) = self.subscription(id)
            && subscription.owner > 0
            && let Standing::Pending { since, .. } = subscription.standing
        {
            let (owner, theirs, mark) = (subscription.owner, subscription.theirs, subscription.mark);
            self.say("D").handler(owner, theirs).cursor(&since).cursor(&mark);
        }
    }

    /// Another tab says something to the leader.
    pub(super) fn on_follower_msg(&mut self, now: u64, kind: &str, mut words: Words<'_>) {
        let whole = words.rest();
        let tab = words.word();
        let Some(relay) = self.relay() else { return };
        // What other leaders say is nothing to a leader; one that was robbed learns it from the browser.
        if !matches!(kind, "j" | "a" | "d" | "h") {
            return;
        }
        if kind == "j" {
            relay.waiting.retain(|(name, _)| name != tab);
            relay.waiting.push((tab.to_owned(), whole.to_owned()));
            self.admit_waiting();
            // Whoever has to wait is to know that somebody leads.
            if self.relay().is_some_and(|relay| relay.waiting.iter().any(|(name, _)| name == tab)) {
                self.say("H").word(tab);
            }
            return;
        }
        let said = words.number();
        let Some(member) = relay.members.iter_mut().find(|member| member.name == tab && member.said + 1 == said) else {
            // Somebody who believes to be here, or of whose words one is missing.
            if !relay.waiting.iter().any(|(name, _)| name == tab) {
                self.say("L").word(tab);
            }
            return;
        };
        member.said = said;
        let number = member.number;
        match kind {
            "a" => {
                while !words.rest().is_empty() {
                    let theirs = words.word();
                    self.add_other(number, theirs);
                }
            }
            "d" => {
                let theirs = words.number();
                self.drop_others(Some(number), Some(theirs));
            }
            "h" => {
                if words.number() > 0 {
                    self.connect();
                } else {
                    self.probe_or_retry_now(now, false);
                }
                // That it is there is what it was asked for.
                self.post_place();
            }
            _ => {}
        }
    }

    /// Takes in who waits, once it is known whose the stream is.
    pub(super) fn admit_waiting(&mut self) {
        let Some(who) = self.tabs.as_ref().and_then(Tabs::who).map(str::to_owned) else { return };
        let Some(relay) = self.relay() else { return };
        for (tab, said) in std::mem::take(&mut relay.waiting) {
            let mut words = Words(&said);
            words.word();
            let join = words.number();
            if words.word() == who {
                self.admit(tab, join, words);
            } else {
                self.say("N").word(&tab);
            }
        }
    }

    fn admit(&mut self, tab: String, join: u32, mut words: Words<'_>) {
        let Some(relay) = self.relay() else { return };
        let before = relay.members.iter().find(|member| member.name == tab).map(|member| member.number);
        relay.members.retain(|member| Some(member.number) != before);
        relay.numbers += 1;
        let number = relay.numbers;
        relay.members.push(Member { number, name: tab.clone(), said: 0 });
        if before.is_some() {
            self.drop_others(before, None);
        }
        let (heartbeat_ms, cursor) = (self.heartbeat_ms, self.place());
        let status = self.status();
        let line = self.say("W").word(&tab).number(u64::from(join)).number(u64::from(number));
        status.say(line.cursor(&cursor).number(heartbeat_ms));
        while !words.rest().is_empty() {
            let theirs = words.word();
            self.add_other(number, theirs);
        }
        self.actions.push(Action::Watch { tab });
    }

    /// Where the stream is, for those who follow it: not before it goes on from there.
    fn place(&self) -> Option<Cursors> {
        match &self.phase {
            Phase::Open(stream) if !stream.awaits_gap => self.cursor,
            _ => None,
        }
    }

    fn add_other(&mut self, owner: u32, said: &str) {
        let Some(Told { theirs, known, hears, pattern, since }) = Told::read(said) else { return };
        // Said again, because it was refused. What has come of it meanwhile may be under way.
        if let Some(there) = self.subscriptions.iter_mut().find(|one| one.owner == owner && one.theirs == theirs) {
            let id = there.id;
            match there.standing {
                Standing::Active => self.post_settled(id),
                Standing::Refused => {
                    there.standing = Standing::Pending { since, call: None };
                    self.dirty = true;
                    if hears == Hears::Presence {
                        self.presence_changed();
                    }
                }
                Standing::Pending { .. } => {}
            }
            return;
        }
        let id = HandlerId(self.next_handler);
        self.next_handler += 1;
        self.routes.add(id, hears, pattern.clone());
        // It is where the stream is, which carries it from there on.
        let goes_on = since.is_some()
            && since == self.place()
            && match &self.phase {
                Phase::Open(stream) if hears == Hears::Channels => stream.calls.carries_from(&pattern, since),
                _ => hears == Hears::Addressed,
            };
        let standing = Standing::Pending { since, call: None };
        let known = if known { Known::Hears } else { Known::Nothing };
        self.subscriptions.push(Subscription {
            id,
            owner,
            theirs,
            hears,
            pattern,
            standing,
            known,
            owes_gap: false,
            mark: since,
        });
        self.dirty = true;
        if hears == Hears::Presence {
            // Of what was told before, the other tab knows what its last leader knew.
            self.presence_changed();
        }
        let begins_here = hears == Hears::Addressed && since.is_none() && matches!(self.phase, Phase::Open(_));
        if goes_on || begins_here {
            self.activate(id, since);
        }
    }

    /// Drops handlers of other tabs: of this one, where one is named, and there this one, where one is named.
    #[inline(never)]
    pub(super) fn drop_others(&mut self, owner: Option<u32>, theirs: Option<u32>) {
        let Self { subscriptions, routes, dirty, .. } = self;
        let mut watched = false;
        subscriptions.retain(|one| {
            let is_meant = owner.is_none_or(|owner| one.owner == owner) && theirs.is_none_or(|id| one.theirs == id);
            let stays = one.owner == 0 || !is_meant;
            if !stays {
                routes.remove(one.id);
                *dirty = true;
                watched |= one.hears == Hears::Presence;
            }
            stays
        });
        if watched {
            self.presence_changed();
        }
    }

    /// A tab is gone, however it went.
    pub fn gone(&mut self, tab: &str) {
        let Some(relay) = self.relay() else { return };
        relay.waiting.retain(|(name, _)| name != tab);
        if let Some(index) = relay.members.iter().position(|member| member.name == tab) {
            let member = relay.members.remove(index);
            self.drop_others(Some(member.number), None);
        }
    }

    pub(super) fn wake_relay(&mut self, now: u64) {
        let heartbeat_ms = self.heartbeat_ms;
        let Some(relay) = self.relay() else { return };
        if now >= relay.beat_at {
            relay.beat_at = now.saturating_add(heartbeat_ms);
            self.post_place();
        }
    }

    /// Ends the sharing with all that are here, who ask again.
    pub(super) fn forget_others(&mut self) {
        if let Some(Tabs { part: Part::Leading(relay), .. }) = &mut self.tabs {
            relay.members.clear();
            relay.waiting.clear();
        }
        self.drop_others(None, None);
    }
}
