//! One stream for all tabs: which tab leads, which ones follow, and which have the same user.
//!
//! ```text
//! Asking ──lock is free──→ leads: opens its stream as a single tab does
//!    └──another has it──→ Verifying ──check──→ Joining ──welcome──→ Open, on the leader's stream
//!                             the lock is free, or stolen: leads ←──┘ opens a stream at its position
//! ```
//!
//! Tabs share a stream when the URL, the credentials mode, the device and the user are the same. The first three are
//! part of the lock's name, and known before any request; the server reports the user. A tab that finds another user's
//! stream goes to a second group, which has its own user in its name as well.
//!
//! To a follower the leader is a server, which gives it a stream and answers its calls (`leader`); to the leader its
//! followers are clients (`hub`). So the ledger of handlers, cursors and calls is the same in all of them.

mod hub;
mod leader;
mod message;

pub(super) use hub::{Hub, Waiting};
pub(super) use leader::{ANSWER_MS, Heard, JOIN_MS, Leader};
pub(crate) use message::VERSION;
pub use message::{Call, Message, TabAsk, TabTell};

use tidings_protocol::Pattern;

use super::{State, Status};
use crate::{
    backoff::Random,
    text::{HEX, push_escaped, push_number},
};

/// The most thefts of a lock from a leader that does not answer; a browser that has not handed it over by then will
/// not.
const MOST_THEFTS: u32 = 3;
/// The name of the anonymous user.
const NOBODY: &str = "!";

/// This tab's part in the group.
#[derive(Debug)]
pub(super) struct Sharing {
    /// The name of this tab for the others.
    name: String,
    /// The user in the group's name.
    user: Option<String>,
    /// The user of these credentials, as the server last reported.
    who: Option<String>,
    part: Part,
    terms: u32,
    /// How many times the lock was stolen, since it was last held or not needed.
    thefts: u32,
    /// How many times this tab has asked for a stream. Only the answer to the last request counts, because it knows the
    /// events received until then.
    opens: u32,
    /// The labels that the leader knows of this tab.
    labels: Vec<Pattern>,
    /// The state of the leader's connection.
    status: Status,
}

#[derive(Debug)]
enum Part {
    /// Each tab has its own stream.
    Off,
    /// Not in a group.
    Apart,
    /// It is not known yet whether the lock is free.
    Asking,
    /// Another tab leads; with its stream, if there is one.
    Behind(Option<Leader>),
    /// This tab leads.
    Leading(Hub),
}

/// The user of the leader's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamUser {
    /// The same user as before, or the first one.
    Same,
    /// Another user.
    Changed,
    /// Another user than the one in the group's name.
    Foreign,
}

/// A user as the tabs compare and name users: no user id looks like the anonymous one's.
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

/// The status of a tab that does not know its leader's yet.
fn unknown_status() -> Status {
    Status { state: State::Connecting, attempt: 0, retry_in_ms: None, connection_id: None }
}

impl Sharing {
    pub(super) fn new(share: bool, random: &mut Random) -> Self {
        let mut name = String::new();
        if share {
            push_number(&mut name, random.up_to(u64::MAX), HEX);
        }
        Self {
            name,
            user: None,
            who: None,
            part: if share { Part::Apart } else { Part::Off },
            terms: 0,
            thefts: 0,
            opens: 0,
            labels: Vec::new(),
            status: unknown_status(),
        }
    }

    // ---- this tab's part ----

    pub(super) fn is_on(&self) -> bool {
        !matches!(self.part, Part::Off)
    }

    /// Whether the tab has yet to enter a group.
    pub(super) fn is_apart(&self) -> bool {
        matches!(self.part, Part::Apart)
    }

    pub(super) fn is_asking(&self) -> bool {
        matches!(self.part, Part::Asking)
    }

    pub(super) fn is_behind(&self) -> bool {
        matches!(self.part, Part::Behind(_))
    }

    pub(super) fn hub(&mut self) -> Option<&mut Hub> {
        if let Part::Leading(hub) = &mut self.part { Some(hub) } else { None }
    }

    pub(super) fn hub_due(&self) -> Option<u64> {
        if let Part::Leading(hub) = &self.part { hub.due() } else { None }
    }

    /// The tab at the other end of the stream.
    pub(super) fn leader(&mut self) -> Option<&mut Leader> {
        if let Part::Behind(leader) = &mut self.part { leader.as_mut() } else { None }
    }

    /// The time by which the leader has to answer, if it was asked.
    pub(super) fn answer_by(&self) -> Option<u64> {
        if let Part::Behind(Some(leader)) = &self.part { leader.answer_by() } else { None }
    }

    /// Enters a group: returns the tab's name, and the user in the group's name.
    pub(super) fn seek(&mut self) -> (String, Option<String>) {
        self.part = Part::Asking;
        (self.name.clone(), self.user.clone())
    }

    /// This tab has the lock. Says whether it leads from now on.
    pub(super) fn lead(&mut self) -> bool {
        let leads = self.is_asking() || self.is_behind();
        if leads {
            self.terms += 1;
            self.thefts = 0;
            let mut term = self.name.clone();
            term.push('.');
            push_number(&mut term, u64::from(self.terms), HEX);
            self.part = Part::Leading(Hub::new(term));
        }
        leads
    }

    /// Another tab has the lock. Says whether that was unknown.
    pub(super) fn follow(&mut self) -> bool {
        let asked = self.is_asking();
        if asked {
            self.part = Part::Behind(None);
        }
        asked
    }

    /// Leaves the group. Says whether the tab was in it.
    pub(super) fn exit(&mut self) -> bool {
        let was_among = self.is_on() && !self.is_apart();
        if was_among {
            self.part = Part::Apart;
        }
        was_among
    }

    /// Continues with a stream of its own. Says whether the tab was in a group.
    pub(super) fn stop(&mut self) -> bool {
        let was_among = self.is_on() && !self.is_apart();
        self.part = Part::Off;
        was_among
    }

    /// Whether the lock may be stolen from a leader that does not answer; only a few times.
    pub(super) fn may_steal(&mut self) -> bool {
        self.thefts += 1;
        self.thefts <= MOST_THEFTS
    }

    // ---- the stream's user ----

    /// The server has reported whose this tab's credentials are. The state of the leader's connection is still unknown.
    pub(super) fn verified(&mut self, user_id: Option<&str>) {
        self.who = Some(who(user_id));
        self.status = unknown_status();
    }

    /// The leading tab's stream belongs to this user.
    pub(super) fn led_for(&mut self, user_id: Option<&str>) -> StreamUser {
        let now = who(user_id);
        let before = self.who.replace(now.clone());
        if !self.is_on() || before.is_none_or(|before| before == now) {
            StreamUser::Same
        } else if self.user.as_ref().is_some_and(|user| *user != now) {
            self.user = None;
            StreamUser::Foreign
        } else {
            StreamUser::Changed
        }
    }

    /// From here on the group's name contains this tab's user as well.
    pub(super) fn split_by_user(&mut self) {
        self.user.clone_from(&self.who);
    }

    /// The user of these credentials, as the tabs compare users.
    pub(super) fn who(&self) -> Option<&str> {
        self.who.as_deref()
    }

    pub(super) fn forget_user(&mut self) {
        self.user = None;
        self.who = None;
    }

    // ---- messages ----

    /// A message of this tab, which leads, to the others.
    pub(super) fn tell(&mut self, tell: TabTell) -> Option<Message> {
        self.hub().map(|hub| hub.next(tell))
    }

    /// A message of this tab to the leading one.
    pub(super) fn ask(&self, ask: TabAsk) -> Message {
        Message::Ask { tab: self.name.clone(), ask }
    }

    /// A request to the leader for a stream, with the number of the attempt and the user.
    pub(super) fn ask_stream(&mut self, channels: Vec<Pattern>) -> Message {
        self.opens += 1;
        let user = self.who.as_deref().unwrap_or(NOBODY).to_owned();
        if let Part::Behind(leader) = &mut self.part {
            *leader = None;
        }
        self.ask(TabAsk::Open { attempt: self.opens, user, channels })
    }

    /// Whether this is the name of this tab.
    pub(super) fn is_me(&self, tab: &str) -> bool {
        self.name == tab
    }

    /// Whether this is the last attempt to get a stream.
    pub(super) fn is_latest(&self, attempt: u32) -> bool {
        self.opens == attempt
    }

    /// The leader has given this tab a stream.
    pub(super) fn joined(&mut self, leader: Leader) {
        self.thefts = 0;
        self.labels.clear();
        self.part = Part::Behind(Some(leader));
    }

    /// Sets the current labels. Says whether the leader has to be told.
    pub(super) fn set_labels(&mut self, labels: &[Pattern]) -> bool {
        let differs = self.labels != labels;
        if differs {
            self.labels = labels.to_vec();
        }
        differs
    }

    /// The state of the leader's connection.
    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// Sets the state of the leader's connection. Says whether it changed.
    pub(super) fn set_status(&mut self, status: &Status) -> bool {
        let differs = self.status != *status;
        if differs {
            self.status.clone_from(status);
        }
        differs
    }
}
