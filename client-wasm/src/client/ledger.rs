//! The ledger: the subscriptions, the events that each has received, the calls that were made for them, and what they
//! are owed. It holds the handlers of this tab, and if this tab leads, those of the other tabs as well.
//!
//! | part | holds |
//! |---|---|
//! | `subscription` | one handler and the position that it has reached |
//! | `calls`, `presence` | the calls on the stream |
//! | `sight` | who is online |
//! | `comparison` | the next calls: the channels that the handlers want, without those that the stream carries |
//! | `streams` | the channels and cursors with which a stream begins |
//! | `delivery`, `gaps`, `refusals` | events, gaps, and refused channels |
//! | `confirming` | confirmations for those that requested a channel |
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
    /// The subscriptions, in the order of their ids.
    subscriptions: Vec<Subscription>,
    routes: Routes,
    next_handler: u32,
    /// Whether handlers were added or removed; handled at the end of the microtask.
    is_changed: bool,

    /// The `id` of the stream's last frame that had one.
    cursor: Option<Cursors>,
    /// The highest cursor seen in any frame: the events of the past that a subscribe call delivered may lie beyond the
    /// stream's cursor.
    seen: Option<Cursors>,
    /// Whether the cursor is the page's own (`since`) and no stream has begun at it yet.
    is_initial: bool,
    /// Whether the page's own cursor could not be read.
    owes_gap: bool,

    attempt: Attempt,
    /// The stream has not resumed although a cursor was sent: a `gap` follows. The old cursor is kept until the gap has
    /// come, because a cut between the two would otherwise lose the gap; and no call uses the old cursor, because the
    /// gap would otherwise be reported twice.
    awaits_gap: bool,
    calls: Calls,
    presence: Presence,
    /// The results of the other tabs' requests, sent to them at the end of the input, call by call.
    outcomes: Vec<Outcome>,
    /// Requests of other tabs for channels that they had before; removed at the end of the input.
    doubles: Vec<HandlerId>,
}

impl Ledger {
    /// A ledger without handlers. With a page's cursor, the first channels receive the events after it.
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

    /// Adds a handler of this tab. A malformed `since` is reported as a gap.
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

    /// Removes a handler. Says whether it existed.
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

    /// Forgets all handlers, and the stream's position.
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

    /// Whether there is no handler.
    pub(super) fn is_empty(&self) -> bool {
        self.subscriptions.is_empty()
    }

    /// Whether this tab has a handler.
    pub(super) fn has_own(&self) -> bool {
        self.subscriptions.iter().any(Subscription::is_own)
    }

    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// The handlers by channel.
    pub(super) fn routes(&mut self) -> &mut Routes {
        &mut self.routes
    }

    fn index_of(&self, id: HandlerId) -> Result<usize, usize> {
        self.subscriptions.binary_search_by_key(&id, |subscription| subscription.id)
    }

    fn subscription(&mut self, id: HandlerId) -> Option<&mut Subscription> {
        find(&mut self.subscriptions, id)
    }

    /// Whether a handler has been neither confirmed nor refused in the client's current state.
    pub(super) fn has_pending(&self) -> bool {
        let mut listening = self.subscriptions.iter().filter(|one| one.hears != Hears::Presence);
        listening.any(|one| matches!(one.standing, Standing::Pending { .. }))
    }

    /// The labels for which this tab has handlers.
    pub(super) fn labels(&self) -> Vec<Pattern> {
        self.patterns(Hears::Addressed)
    }

    /// The patterns of the handlers, each once.
    fn patterns(&self, hears: Hears) -> Vec<Pattern> {
        let mut patterns = Vec::new();
        for one in self.subscriptions.iter().filter(|one| one.hears == hears) {
            if !patterns.contains(&one.pattern) {
                patterns.push(one.pattern.clone());
            }
        }
        patterns
    }

    // ---- the stream's position ----

    pub(super) fn cursor(&self) -> Option<Cursors> {
        self.cursor
    }

    /// The stream's cursor, for the tabs that follow; none before the stream continues at it.
    pub(super) fn settled_cursor(&self) -> Option<Cursors> {
        if self.awaits_gap { None } else { self.cursor }
    }

    /// The stream has delivered every event up to here.
    pub(super) fn advance(&mut self, id: &Option<Cursors>) {
        self.cursor = *id;
        raise(&mut self.seen, id);
    }

    /// Forgets the cursor: without handlers no event is missed, and a later handler begins anew.
    pub(super) fn forget_cursor(&mut self) {
        self.cursor = None;
        self.seen = None;
        self.is_initial = false;
    }

    /// The cursor after which a confirmed handler has yet to receive events: the highest that the handler or the stream
    /// has passed.
    pub(super) fn heard_up_to(&self, handler: HandlerId) -> Option<Cursors> {
        let subscription = self.index_of(handler).ok().and_then(|index| self.subscriptions.get(index));
        subscription.and_then(|one| one.heard_up_to).or(self.cursor)
    }

    // ---- calls on the stream ----

    /// When one of them is due.
    pub(super) fn due(&self) -> Option<u64> {
        sooner(self.calls.due(), self.presence.due())
    }
}
