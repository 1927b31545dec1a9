//! One stream for all tabs: who leads, who follows, and who is of the same user.
//!
//! ```text
//! Asking ──lock is free──→ leads: opens its stream as a lone tab does
//!    └──another has it──→ Verifying ──check──→ Joining ──welcome──→ Open, on the leader's stream
//!                             the lock is free, or stolen: leads ←──┘ opens a stream from where it is
//! ```
//!
//! Tabs share when the URL, the credentials mode, the device and the user are the same. The first three are in the name of
//! the lock, which is known before anything is asked; the user is what the server says. A tab that finds another user's
//! stream there goes to a second group, which is named by its own user as well.
//!
//! To a follower the leader is a server, which gives it a stream and answers its calls (`follower`); to the leader its followers are
//! clients (`hub`). So the ledger of handlers, cursors and calls is the same in all of them.

use tidings_protocol::Pattern;

use super::{
    Action, Answer, Ask, Session, Status,
    address::{HEX, push_escaped},
    follower::unknown_status,
    hub::Hub,
    link::DIAGNOSIS_MS,
    message::TabTell,
    phase::Phase,
    watchdog::LATE_MS,
};
use crate::{backoff::Random, text::push_number};

/// A browser that has not said by then who has the lock will not: the tab goes without the others.
pub(super) const LOCK_MS: u64 = 5_000;
/// So often a lock is taken from a leader that does not answer; a browser that does not hand it over by then will not.
const MOST_THEFTS: u32 = 3;
/// Whoever is not welcomed asks again after this long.
pub(super) const JOIN_MS: u64 = 1_000;

/// Stands for the anonymous user.
pub(super) const NOBODY: &str = "!";

/// What a session has to do with the other tabs.
#[derive(Debug)]
pub(super) struct Tabs {
    /// This tab, to the others.
    pub(super) name: String,
    /// The user by whom the group is named as well.
    user: Option<String>,
    /// Whose credentials these are, as the server last said.
    who: Option<String>,
    pub(super) part: Part,
    terms: u32,
    /// How often the lock was taken, since it was last had or not needed.
    pub(super) thefts: u32,
    /// How often it has asked for a stream. Only the answer to the last time counts: it knows what has been heard until then.
    pub(super) opens: u32,
    /// By which labels the leader knows that it hears addressed events.
    pub(super) labels: Vec<Pattern>,
}

#[derive(Debug)]
pub(super) enum Part {
    /// Not among the others.
    Apart,
    /// Whether the lock is free is not known yet.
    Asking,
    /// Another tab leads.
    Behind,
    /// This one does.
    Leading(Hub),
}

impl Tabs {
    pub(super) fn new(random: &mut Random) -> Self {
        let mut name = String::new();
        push_number(&mut name, random.up_to(u64::MAX), HEX);
        Self { name, user: None, who: None, part: Part::Apart, terms: 0, thefts: 0, opens: 0, labels: Vec::new() }
    }

    /// Whose credentials these are, as the tabs compare it.
    pub(super) fn who(&self) -> Option<&str> {
        self.who.as_deref()
    }
}

/// A user as the tabs compare and name them: nobody else's looks like an anonymous one's.
fn who(user_id: Option<&str>) -> String {
    match user_id {
        Some(user_id) => {
            let mut who = String::from("u");
            push_escaped(&mut who, user_id);
            who
        }
        None => NOBODY.to_owned(),
    }
}

impl Session {
    pub(super) fn hub(&mut self) -> Option<&mut Hub> {
        match &mut self.tabs {
            Some(Tabs { part: Part::Leading(hub), .. }) => Some(hub),
            _ => None,
        }
    }

    /// Whether it is still to be seen who has the stream.
    pub(super) fn is_undecided(&mut self, now: u64) -> bool {
        match self.tabs.as_ref().map(|tabs| &tabs.part) {
            None | Some(Part::Leading(_) | Part::Behind) => return false,
            Some(Part::Apart) => self.seek(now),
            Some(Part::Asking) => {}
        }
        true
    }

    pub(super) fn is_behind(&self) -> bool {
        matches!(self.tabs, Some(Tabs { part: Part::Behind, .. }))
    }

    fn seek(&mut self, now: u64) {
        let Some(tabs) = &mut self.tabs else { return };
        tabs.part = Part::Asking;
        let (tab, user) = (tabs.name.clone(), tabs.user.clone());
        self.actions.push(Action::Enter { tab, user });
        self.enter(Phase::Asking { until: now.saturating_add(LOCK_MS) });
    }

    /// The browser has not said who has the lock.
    pub(super) fn no_lock(&mut self, now: u64, until: u64) {
        if now - until >= LATE_MS {
            // Nor has it run the timer when that was due.
            self.phase = Phase::Asking { until: now.saturating_add(LOCK_MS) };
        } else {
            self.go_alone(now);
        }
    }

    /// Goes on with a stream of its own.
    pub(super) fn go_alone(&mut self, now: u64) {
        self.leave();
        self.exit();
        self.tabs = None;
        self.open(now);
    }

    /// The leader has said nothing for too long: its tab is frozen, or hangs.
    pub(super) fn steal(&mut self, now: u64, status: Status) {
        let Some(tabs) = &mut self.tabs else { return };
        tabs.thefts += 1;
        if tabs.thefts > MOST_THEFTS {
            return self.go_alone(now);
        }
        self.actions.push(Action::Steal);
        self.enter(Phase::Joining { since: now, until: now.saturating_add(JOIN_MS), status });
    }

    /// The group's lock is this tab's: at once, after waiting for it, or because it was stolen.
    pub fn locked(&mut self, now: u64) {
        let Some(tabs) = &mut self.tabs else { return };
        if !matches!(tabs.part, Part::Asking | Part::Behind) {
            return;
        }
        tabs.terms += 1;
        tabs.thefts = 0;
        let mut term = tabs.name.clone();
        term.push('.');
        push_number(&mut term, u64::from(tabs.terms), HEX);
        tabs.part = Part::Leading(Hub::new(term));
        self.leave();
        self.tell(TabTell::Lead { tab: None });
        self.enter(Phase::Starting);
        self.open(now);
    }

    /// Another tab has the group's lock; this one is in the queue for it.
    pub fn held(&mut self, now: u64) {
        if let Some(tabs) = &mut self.tabs
            && matches!(tabs.part, Part::Asking)
        {
            tabs.part = Part::Behind;
            self.open(now);
        }
    }

    /// Another tab has taken the lock, because it heard nothing of this one.
    pub fn lost(&mut self, now: u64) {
        if self.hub().is_some() {
            self.leave();
            self.exit();
            self.seek(now);
        }
    }

    /// There are no locks or channels here after all.
    pub fn unshared(&mut self, now: u64) {
        if self.tabs.take().is_some_and(|tabs| !matches!(tabs.part, Part::Apart)) {
            self.open(now);
        }
    }

    /// Goes from among the others. Their handlers find another leader.
    pub(super) fn exit(&mut self) {
        if let Some(tabs) = &mut self.tabs
            && !matches!(tabs.part, Part::Apart)
        {
            tabs.part = Part::Apart;
            self.actions.push(Action::Exit);
            self.drop_others(&|_| true);
        }
    }

    /// Forgets whose tab it was.
    pub(super) fn forget_user(&mut self) {
        if let Some(tabs) = &mut self.tabs {
            tabs.user = None;
            tabs.who = None;
        }
    }

    /// Asks the server who the user is.
    pub(super) fn verify(&mut self, now: u64) {
        self.leave();
        let request = self.ask(Ask::Server, "", None);
        self.enter(Phase::Verifying { request, until: now.saturating_add(DIAGNOSIS_MS) });
    }

    pub(super) fn verified(&mut self, now: u64, answer: &Answer) {
        if !matches!(answer.status, Some(200..=299)) {
            return self.refused(now, answer);
        }
        self.failures = 0;
        self.renewed = false;
        self.user_id.clone_from(&answer.user_id);
        if let Some(tabs) = &mut self.tabs {
            tabs.who = Some(who(answer.user_id.as_deref()));
        }
        self.join(now, now, unknown_status());
    }

    /// The leader's stream is another user's.
    pub(super) fn split_by_user(&mut self, now: u64) {
        let Some(tabs) = &mut self.tabs else { return };
        tabs.user.clone_from(&tabs.who);
        self.leave();
        self.exit();
        self.seek(now);
    }

    /// The leader's stream says whose it is. Returns whether it may go on.
    pub(super) fn check_user(&mut self, now: u64) -> bool {
        let now_who = who(self.user_id.as_deref());
        let Some(tabs) = &mut self.tabs else { return true };
        let before = tabs.who.replace(now_who.clone());
        if before.is_some_and(|before| before != now_who) {
            // Everybody asks the server again.
            self.tell(TabTell::UserChanged);
            self.forget_others();
            if let Some(tabs) = &mut self.tabs
                && tabs.user.as_ref().is_some_and(|user| *user != now_who)
            {
                tabs.user = None;
                self.actions.push(Action::Close);
                self.exit();
                self.seek(now);
                return false;
            }
        }
        true
    }
}
