//! The ledger: who listens to what, how far each has heard, what was asked of the stream for them, and what they are owed. Of handlers of
//! this tab, and where it leads, of the other tabs' as well.
//!
//! | part | holds |
//! |---|---|
//! | `subscription` | one handler and how far it has heard |
//! | `calls`, `presence` | what was asked of the stream |
//! | `sight` | who is online |
//! | `comparison` | what is to be asked next: what the handlers want, less what the stream carries |
//! | `streams` | with what a stream begins |
//! | `delivery`, `gaps`, `refusals` | events, what may be missing, what the server will not have |
//! | `confirming` | what the stream carries is told to those who asked for it |
//! | `others` | the handlers of other tabs |

mod calls;
mod comparison;
mod confirming;
mod delivery;
mod gaps;
mod others;
mod presence;
mod refusals;
mod sight;
mod streams;
mod subscription;

use tidings_protocol::Pattern;

pub(super) use comparison::Comparison;
pub(super) use gaps::Gap;
pub(super) use others::Outcome;

use super::{cursors::Cursors, out::Out};
use crate::{
    backoff::sooner,
    routes::{HandlerId, Hears, Routes},
};
use calls::Calls;
use presence::Presence;
use streams::Attempt;
use subscription::{Known, Standing, Subscription, find, raise, select};

/// All handlers, and the one stream for them.
#[derive(Debug)]
pub(super) struct Ledger {
    /// In the order of their ids.
    subscriptions: Vec<Subscription>,
    routes: Routes,
    next_handler: u32,
    /// Somebody came or went; seen to at the end of the microtask.
    is_changed: bool,

    /// The `id` of the stream's last frame that had one.
    cursor: Option<Cursors>,
    /// The highest cursor seen in any frame: what a subscribe call brought of the past may lie beyond the stream's.
    seen: Option<Cursors>,
    /// The cursor is the page's own (`since`) and no stream has taken it up yet.
    is_initial: bool,
    /// The page's own cursor could not be read.
    owes_gap: bool,

    attempt: Attempt,
    /// Not resumed although a cursor was sent: a `gap` follows. Until it has come, the old cursor stays, or a cut between
    /// the two would turn the gap into silence; and nothing is asked for from it, or the gap would be told twice.
    awaits_gap: bool,
    calls: Calls,
    presence: Presence,
    /// What became of that which other tabs asked for, to be told at the end of the input, call by call.
    outcomes: Vec<Outcome>,
    /// What other tabs asked for and had before; forgotten at the end of the input.
    doubles: Vec<HandlerId>,
}

impl Ledger {
    /// Without handlers. With a page's cursor what the first channels carried after it is heard.
    pub(super) fn new(since: Option<&str>) -> Self {
        let since = since.map(str::parse::<Cursors>);
        Self {
            subscriptions: Vec::new(),
            routes: Routes::default(),
            next_handler: 0,
            is_changed: false,
            cursor: since.as_ref().and_then(|since| since.as_ref().ok()).copied(),
            seen: None,
            is_initial: matches!(since, Some(Ok(_))),
            owes_gap: matches!(since, Some(Err(_))),
            attempt: Attempt::default(),
            awaits_gap: false,
            calls: Calls::default(),
            presence: Presence::default(),
            outcomes: Vec::new(),
            doubles: Vec::new(),
        }
    }

    // ---- handlers ----

    /// A handler of this tab. A `since` that is no cursor is told as a gap.
    pub(super) fn add(&mut self, hears: Hears, pattern: Pattern, since: Option<&str>) -> HandlerId {
        let since = since.map(str::parse::<Cursors>);
        let owes_gap = matches!(since, Some(Err(_)));
        let since = since.and_then(Result::ok);
        let standing = Standing::Pending { since, call: None };
        let id = HandlerId(self.next_handler);
        self.insert(Subscription { standing, heard_up_to: since, owes_gap, ..Subscription::new(id, hears, pattern) });
        if hears == Hears::Presence {
            self.presence.change();
        }
        id
    }

    fn insert(&mut self, subscription: Subscription) {
        self.next_handler += 1;
        self.routes.add(subscription.id, subscription.hears, subscription.pattern.clone());
        self.subscriptions.push(subscription);
        self.is_changed = true;
    }

    /// A handler is no more. Whether it was there.
    pub(super) fn remove(&mut self, handler: HandlerId, out: &mut Out) -> bool {
        let Ok(index) = self.index_of(handler) else { return false };
        let subscription = self.subscriptions.remove(index);
        self.routes.remove(handler);
        self.is_changed = true;
        if subscription.hears == Hears::Presence {
            self.presence.change();
        }
        if subscription.known == Known::Nothing {
            out.settled(handler, Some("stopped".into()));
        }
        true
    }

    /// Forgets all handlers, and where the stream was.
    pub(super) fn reset(&mut self, out: &mut Out) {
        for subscription in std::mem::take(&mut self.subscriptions) {
            if subscription.known == Known::Nothing {
                out.settled(subscription.id, Some("stopped".into()));
            }
        }
        self.routes.clear();
        self.owes_gap = false;
        self.forget_cursor();
    }

    /// Whether there is a handler.
    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Whether there is one of this tab.
    pub(super) fn has_own(&self) -> bool {
        self.subscriptions.iter().any(Subscription::is_own)
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Who hears what.
    pub(super) fn routes(&mut self) -> &mut Routes {
        &mut self.routes
    }

    fn index_of(&self, id: HandlerId) -> Result<usize, usize> {
        self.subscriptions.binary_search_by_key(&id, |subscription| subscription.id)
    }

    fn subscription(&mut self, id: HandlerId) -> Option<&mut Subscription> {
        find(&mut self.subscriptions, id)
    }

    /// Whether a handler has neither been confirmed nor refused where the client is now.
    pub(super) fn has_pending(&self) -> bool {
        let mut listening = self.subscriptions.iter().filter(|one| one.hears != Hears::Presence);
        listening.any(|one| matches!(one.standing, Standing::Pending { .. }))
    }

    /// The labels by which this tab hears addressed events.
    pub(super) fn labels(&self) -> Vec<Pattern> {
        self.patterns(Hears::Addressed)
    }

    /// What is heard, each once.
    fn patterns(&self, hears: Hears) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for one in self.subscriptions.iter().filter(|one| one.hears == hears) {
            if !patterns.contains(&one.pattern) {
                patterns.push(one.pattern.clone());
            }
        }
        patterns
    }

    // ---- how far the stream is ----

    pub(super) fn cursor(&self) -> Option<Cursors> {
        self.cursor
    }

    /// Where the stream is, for those who follow it: not before it goes on from there.
    pub(super) fn settled_cursor(&self) -> Option<Cursors> {
        if self.awaits_gap { None } else { self.cursor }
    }

    /// The stream has brought all up to here.
    pub(super) fn advance(&mut self, id: &Option<Cursors>) {
        self.cursor = *id;
        raise(&mut self.seen, id);
    }

    /// Nobody listens, so nobody misses anything; a handler to come begins anew.
    pub(super) fn forget_cursor(&mut self) {
        self.cursor = None;
        self.seen = None;
        self.is_initial = false;
    }

    /// The cursor after which a handler, which hears everything, has yet to hear: the highest that it or the stream has
    /// passed.
    pub(super) fn heard_up_to(&self, handler: HandlerId) -> Option<Cursors> {
        let subscription = self.index_of(handler).ok().and_then(|index| self.subscriptions.get(index));
        subscription.and_then(|one| one.heard_up_to).or(self.cursor)
    }

    // ---- what was asked of the stream ----

    /// When something of it is due.
    pub(super) fn due(&self) -> Option<u64> {
        sooner(self.calls.due(), self.presence.due())
    }
}
