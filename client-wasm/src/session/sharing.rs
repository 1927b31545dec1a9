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
//! To a follower the leader is a server, which gives it a stream and answers its calls (`leader`); to the leader its followers are
//! clients (`hub`). So the ledger of handlers, cursors and calls is the same in all of them.

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

/// So often a lock is taken from a leader that does not answer; a browser that does not hand it over by then will not.
const MOST_THEFTS: u32 = 3;
/// Stands for the anonymous user.
const NOBODY: &str = "!";

/// What this tab has to do with the others.
#[derive(Debug)]
pub(super) struct Sharing {
    /// This tab, to the others.
    name: String,
    /// The user by whom the group is named as well.
    user: Option<String>,
    /// Whose credentials these are, as the server last said.
    who: Option<String>,
    part: Part,
    terms: u32,
    /// How often the lock was taken, since it was last had or not needed.
    thefts: u32,
    /// How often it has asked for a stream. Only the answer to the last time counts: it knows what has been heard until then.
    opens: u32,
    /// By which labels the leader knows that it hears addressed events.
    labels: Vec<Pattern>,
    /// How the leader's connection stands.
    status: Status,
}

#[derive(Debug)]
enum Part {
    /// Each tab has a stream of its own.
    Off,
    /// Not among the others.
    Apart,
    /// Whether the lock is free is not known yet.
    Asking,
    /// Another tab leads; with its stream, if there is one.
    Behind(Option<Leader>),
    /// This one does.
    Leading(Hub),
}

/// Whose the leader's stream is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StreamUser {
    /// The same as before, or the first.
    Same,
    /// Another one.
    Changed,
    /// Another one than the group is named by.
    Foreign,
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

/// How a tab stands that has not been told how its leader does.
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

    // ---- which part this tab has ----

    pub(super) fn is_on(&self) -> bool {
        !matches!(self.part, Part::Off)
    }

    /// Whether it has yet to go among the others.
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

    /// By when the leader has to answer, if it was asked.
    pub(super) fn answer_by(&self) -> Option<u64> {
        if let Part::Behind(Some(leader)) = &self.part { leader.answer_by() } else { None }
    }

    /// Goes among the others: the tab's name, and the user by whom the group is named.
    pub(super) fn seek(&mut self) -> (String, Option<String>) {
        self.part = Part::Asking;
        (self.name.clone(), self.user.clone())
    }

    /// The lock is this tab's. Whether it leads from now on.
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

    /// Another tab has the lock. Whether that was not known.
    pub(super) fn follow(&mut self) -> bool {
        let asked = self.is_asking();
        if asked {
            self.part = Part::Behind(None);
        }
        asked
    }

    /// Goes from among the others. Whether it was among them.
    pub(super) fn exit(&mut self) -> bool {
        let was_among = self.is_on() && !self.is_apart();
        if was_among {
            self.part = Part::Apart;
        }
        was_among
    }

    /// Goes on with a stream of its own. Whether it was among the others.
    pub(super) fn stop(&mut self) -> bool {
        let was_among = self.is_on() && !self.is_apart();
        self.part = Part::Off;
        was_among
    }

    /// The lock is taken from a leader that does not answer; not for ever.
    pub(super) fn may_steal(&mut self) -> bool {
        self.thefts += 1;
        self.thefts <= MOST_THEFTS
    }

    // ---- whose the stream is ----

    /// The server has said whose this tab's credentials are. Of the leader's connection nothing is known yet.
    pub(super) fn verified(&mut self, user_id: Option<&str>) {
        self.who = Some(who(user_id));
        self.status = unknown_status();
    }

    /// The stream of the tab that leads is this user's.
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

    /// From here on the group is named by this tab's user as well.
    pub(super) fn split_by_user(&mut self) {
        self.user.clone_from(&self.who);
    }

    /// Whose credentials these are, as the tabs compare it.
    pub(super) fn who(&self) -> Option<&str> {
        self.who.as_deref()
    }

    pub(super) fn forget_user(&mut self) {
        self.user = None;
        self.who = None;
    }

    // ---- what is said ----

    /// What this tab, which leads, says to the others.
    pub(super) fn tell(&mut self, tell: TabTell) -> Option<Message> {
        self.hub().map(|hub| hub.next(tell))
    }

    /// What this tab says to the one that leads.
    pub(super) fn ask(&self, ask: TabAsk) -> Message {
        Message::Ask { tab: self.name.clone(), ask }
    }

    /// It asks the leader for a stream: how often it has, and as whom.
    pub(super) fn ask_stream(&mut self, channels: Vec<Pattern>) -> Message {
        self.opens += 1;
        let user = self.who.as_deref().unwrap_or(NOBODY).to_owned();
        if let Part::Behind(leader) = &mut self.part {
            *leader = None;
        }
        self.ask(TabAsk::Open { attempt: self.opens, user, channels })
    }

    /// Whether that is this tab.
    pub(super) fn is_me(&self, tab: &str) -> bool {
        self.name == tab
    }

    /// Whether this is the last time that a stream was asked for.
    pub(super) fn is_latest(&self, attempt: u32) -> bool {
        self.opens == attempt
    }

    /// The leader has given a stream.
    pub(super) fn joined(&mut self, leader: Leader, status: Status) {
        self.thefts = 0;
        self.labels.clear();
        self.status = status;
        self.part = Part::Behind(Some(leader));
    }

    /// These are the labels of now. Whether the leader has to be told.
    pub(super) fn set_labels(&mut self, labels: &[Pattern]) -> bool {
        let differs = self.labels != labels;
        if differs {
            self.labels = labels.to_vec();
        }
        differs
    }

    /// How the leader's connection stands.
    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// It stands like this now. Whether that is another status.
    pub(super) fn set_status(&mut self, status: &Status) -> bool {
        let differs = self.status != *status;
        if differs {
            self.status.clone_from(status);
        }
        differs
    }
}
