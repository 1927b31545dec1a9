//! The follower's side: it does what the leader hands on, and keeps its own place and that of each of its handlers, for
//! the day that it has to go on without this leader.

use super::{
    Action, Cursors, Rejected, Session, State, Status, Trouble,
    link::{LATE_MS, Phase, silence_limit},
    subscription::{Standing, raise},
    tabs::Part,
    words::{ADDRESSED, Line, Words, small},
};
use crate::routes::HandlerId;

/// A leader that was asked and has said nothing for so long is one no more.
const ANSWER_MS: u64 = 2_000;

/// A leader that is followed.
#[derive(Debug)]
pub(super) struct Leader {
    term: String,
    /// This tab's number with it.
    number: u32,
    posts: u32,
    /// How much this tab has said to it, and had when it last said how much it had heard.
    said: u32,
    said_before: u32,
    heard_at: u64,
    /// It was asked at this time whether it is there, and has said nothing since.
    asked_at: Option<u64>,
    grace_used: bool,
    pub(super) status: Status,
}

impl Leader {
    /// When it has been silent for too long.
    pub(super) fn watch_at(&self, heartbeat_ms: u64) -> u64 {
        let silent = self.heard_at.saturating_add(silence_limit(heartbeat_ms));
        self.asked_at.map_or(silent, |asked_at| silent.min(asked_at.saturating_add(ANSWER_MS)))
    }
}

impl Session {
    /// Another tab has posted something. Adds those who hear what came with it to `out`, in their order.
    pub fn told(&mut self, now: u64, message: &str, out: &mut Vec<HandlerId>) {
        let mut words = Words(message);
        let kind = words.word();
        match self.tabs.as_ref().map(|tabs| &tabs.part) {
            Some(Part::Leading(_)) => self.on_follower_msg(now, kind, words),
            Some(Part::Behind) => self.on_leader_msg(now, kind, words, out),
            _ => {}
        }
    }

    fn on_leader_msg(&mut self, now: u64, kind: &str, mut words: Words<'_>, out: &mut Vec<HandlerId>) {
        let (term, posts) = (words.word(), words.number());
        let Some(tabs) = &self.tabs else { return };
        let (is_me, joins) = ({ words }.word() == tabs.name, tabs.joins);
        let status = self.status();
        let leader = match &mut self.phase {
            Phase::Joining { .. } => None,
            Phase::Following(leader) => Some(leader),
            _ => return,
        };
        match kind {
            "L" if is_me || words.rest().is_empty() => return self.join(now, now, status),
            "Z" => return self.open(now),
            "N" if is_me => return self.split_by_user(now),
            "H" if is_me => {
                if let Phase::Joining { since, .. } = &mut self.phase {
                    *since = now;
                }
                return;
            }
            "W" if is_me => {
                words.word();
                if words.number() != joins {
                    return;
                }
                let number = words.number();
                let cursor = words.cursor();
                let term = term.to_owned();
                let (said, said_before) = (0, 0);
                let leader = Leader {
                    term,
                    number,
                    posts,
                    said,
                    said_before,
                    heard_at: now,
                    asked_at: None,
                    grace_used: false,
                    status,
                };
                self.welcomed(leader, cursor, words);
                return;
            }
            _ => {}
        }
        let Some(leader) = leader.filter(|leader| leader.term == term) else { return };
        if posts != leader.posts + 1 {
            // Something is missing.
            return self.join(now, now, status);
        }
        leader.posts = posts;
        leader.heard_at = now;
        leader.asked_at = None;
        leader.grace_used = false;
        let number = leader.number;
        self.apply(now, kind, number, words, out);
    }

    fn welcomed(&mut self, leader: Leader, cursor: Option<Cursors>, words: Words<'_>) {
        self.phase = Phase::Following(leader);
        self.restarts = 0;
        if let Some(tabs) = &mut self.tabs {
            tabs.thefts = 0;
        }
        // Each of its handlers has said by itself from where it is to hear.
        self.cursor = cursor;
        raise(&mut self.seen, cursor);
        self.follow_status(words);
        // What was subscribed since the tab said what it wants.
        self.tell_leader();
    }

    fn apply(&mut self, now: u64, kind: &str, me: u32, mut words: Words<'_>, out: &mut Vec<HandlerId>) {
        match kind {
            "R" => {
                let at = words.cursor();
                self.follow_to(at);
                self.follow_record(mine(words.word(), me), at, out);
            }
            "B" => {
                let at = words.cursor();
                let before = out.len();
                self.follow_record(mine(words.word(), me), at, out);
                for id in out.iter().skip(before) {
                    raise(&mut self.seen, at);
                    if let Some(subscription) = self.subscription(*id) {
                        subscription.heard(at);
                    }
                }
            }
            "O" => self.follow_to(words.cursor()),
            "P" => {
                self.follow_to(words.cursor());
                let heard = mine(words.word(), me).first().copied();
                let status = self.status();
                let Phase::Following(leader) = &mut self.phase else { return };
                // What was said since may be on its way.
                let before = std::mem::replace(&mut leader.said_before, leader.said);
                if heard.is_none_or(|heard| heard.0 < before) {
                    self.join(now, now, status);
                }
            }
            "K" => {
                if let Some(id) = mine(words.word(), me).first().copied() {
                    let mark = words.cursor();
                    raise(&mut self.seen, mark);
                    self.activate(id, mark);
                }
            }
            "D" => {
                if let Some(id) = mine(words.word(), me).first().copied()
                    && let Some(subscription) = self.subscription(id)
                {
                    subscription.standing = Standing::Pending { since: words.cursor(), call: Some(0) };
                    subscription.mark = words.cursor();
                }
            }
            "X" => {
                if let Ok(channel) = words.word().parse() {
                    let refused: Vec<_> = mine(words.word(), me);
                    let code = words.rest().to_owned();
                    self.refuse_these(Rejected { channel, code }, &|one| refused.contains(&one.id));
                }
            }
            "G" => self.follow_gap(now, me, words),
            "S" => self.follow_status(words),
            "E" => {
                let (code, status) = (words.word().to_owned().into(), words.number());
                let detail = Some(words.rest().to_owned()).filter(|detail| !detail.is_empty());
                let status = u16::try_from(status).ok().filter(|status| *status > 0);
                self.actions.push(Action::Error(Trouble { code, will_retry: true, status, detail, channel: None }));
            }
            _ => {}
        }
    }

    /// A record for these. One that has begun later than its leader knows of, because their words crossed, has no use for it.
    fn follow_record(&mut self, these: Vec<HandlerId>, at: Option<Cursors>, out: &mut Vec<HandlerId>) {
        out.extend(these.into_iter().filter(|id| self.subscription(*id).is_some_and(|one| one.misses(at))));
    }

    /// The stream has brought all up to here.
    fn follow_to(&mut self, at: Option<Cursors>) {
        if at.is_some() {
            self.cursor = at;
            raise(&mut self.seen, at);
        }
    }

    fn follow_gap(&mut self, now: u64, me: u32, mut words: Words<'_>) {
        let id = words.cursor();
        let (to, channels, reason) = (words.word(), words.word(), words.rest().to_owned());
        let mut handlers = mine(to, me);
        if channels == "!" {
            return self.gap(now, reason, id);
        }
        handlers.retain(|handler| self.subscription(*handler).is_some_and(|one| one.misses(id)));
        for handler in &handlers {
            if let Some(subscription) = self.subscription(*handler) {
                subscription.mark = id;
            }
        }
        if !handlers.is_empty() {
            let mut list = Words(channels);
            let (mut channels, mut addressed) = (Vec::new(), false);
            while !list.rest().is_empty() {
                let one = list.until(b',');
                addressed |= one == ADDRESSED;
                channels.extend(one.parse());
            }
            let (channels, reason) = (Some(channels), reason.into());
            self.actions.push(Action::Gap { channels, addressed, cursor: id, reason, handlers });
        }
    }

    fn follow_status(&mut self, mut words: Words<'_>) {
        let heartbeat_ms = words.number();
        if heartbeat_ms > 0 {
            self.heartbeat_ms = u64::from(heartbeat_ms);
        }
        let Phase::Following(leader) = &mut self.phase else { return };
        let status = Status::hear(words);
        let is_open = status.state == State::Open;
        if std::mem::replace(&mut leader.status, status.clone()) != status {
            self.actions.push(Action::State(status));
        }
        if is_open && std::mem::take(&mut self.owes_gap) {
            self.tell_gap("malformed".into());
        }
    }

    /// Tells the leader of the handlers that it does not know.
    pub(super) fn tell_leader(&mut self) {
        let mut told = String::new();
        for subscription in &mut self.subscriptions {
            if let Standing::Pending { call: None, .. } = subscription.standing {
                subscription.tell(&mut told);
            }
        }
        if !told.is_empty()
            && let Some(line) = self.say_to_leader("a")
        {
            line.0.push_str(&told);
        }
    }

    /// Begins to say something to the leader, numbered.
    fn say_to_leader(&mut self, kind: &str) -> Option<Line<'_>> {
        let Phase::Following(leader) = &mut self.phase else { return None };
        leader.said += 1;
        let said = leader.said;
        Some(self.say(kind).number(u64::from(said)))
    }

    /// Tells the leader that a handler is gone.
    pub(super) fn tell_gone(&mut self, id: HandlerId) {
        if let Some(line) = self.say_to_leader("d") {
            line.number(u64::from(id.0));
        }
    }

    /// Asks the leader to show that it is there, and not to wait: to see whether its stream lives, or to connect.
    pub(super) fn ask_leader(&mut self, now: u64, connect: bool) {
        if let Some(line) = self.say_to_leader("h") {
            line.number(u64::from(connect));
        }
        if let Phase::Following(leader) = &mut self.phase {
            leader.asked_at.get_or_insert(now);
        }
    }

    pub(super) fn wake_follower(&mut self, now: u64) {
        let (silence_limit, heartbeat_ms) = (silence_limit(self.heartbeat_ms), self.heartbeat_ms);
        let status = self.status();
        match &mut self.phase {
            Phase::Joining { since, .. } if now >= since.saturating_add(ANSWER_MS + LATE_MS) => {
                // The leader's answer may have been held back as the timer was.
                self.join(now, now, status);
            }
            Phase::Joining { since, .. } if now >= since.saturating_add(ANSWER_MS) => self.steal(now, status),
            Phase::Joining { since, until, .. } if now >= *until => {
                let since = *since;
                self.join(now, since, status);
            }
            Phase::Following(leader) => {
                let watch_at = leader.watch_at(heartbeat_ms);
                if now < watch_at {
                    return;
                }
                if !leader.grace_used && now - watch_at >= LATE_MS {
                    leader.grace_used = true;
                    leader.heard_at = now.saturating_sub(silence_limit).saturating_add(heartbeat_ms);
                    leader.asked_at = None;
                    self.ask_leader(now, false);
                } else {
                    self.steal(now, status);
                }
            }
            _ => {}
        }
    }
}

/// Those of a list of handlers that are this tab's.
#[inline(never)]
fn mine(list: &str, me: u32) -> Vec<HandlerId> {
    let (mut list, mut found) = (Words(list), Vec::new());
    while !list.rest().is_empty() {
        let mut one = Words(list.until(b','));
        if small(one.until(b'.')) == Some(me) {
            found.extend(small(one.rest()).map(HandlerId));
        }
    }
    found
}
