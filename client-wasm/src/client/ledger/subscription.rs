//! One handler, and the position that it has reached.

use tidings_protocol::Pattern;

use super::super::cursors::Cursors;
use crate::routes::{HandlerId, Hears};

/// The events that a handler has received of its channel, and what it is owed.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: HandlerId,
    /// The tab of the handler: 0 is this tab, other tabs have the number that the hub gave them.
    pub(super) tab: u32,
    /// For another tab's handler: the call with which that tab requested it.
    pub(super) remote_id: u32,
    pub(super) hears: Hears,
    pub(super) pattern: Pattern,
    pub(super) standing: Standing,
    pub(super) known: Known,
    /// A call for it has not found the stream: the channel goes into the URL of a stream that continues here, where it
    /// was requested.
    pub(super) in_url_at: Option<Cursors>,
    /// Whether its `since` could not be read: the application gets a gap as soon as the handler is confirmed.
    pub(super) owes_gap: bool,
    /// The handler has received every event up to here, so repeated ones are dropped. Each subscription has its own
    /// cursor: of two on one channel, one may be asking for a past that the other has long received.
    pub(super) heard_up_to: Option<Cursors>,
}

/// The state that was last reported to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    Nothing,
    /// It receives every event.
    Hears,
    /// The server refused it.
    Refused,
}

/// The state of a subscription at the server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    /// Not confirmed.
    Pending {
        /// The cursor after which it has to receive every event; `None`: it begins wherever it is confirmed.
        since: Option<Cursors>,
        /// The call under way for it, on this stream.
        call: Option<u32>,
    },
    /// Confirmed in the stream, and resumed at the stream's cursor.
    Active,
    /// Refused by the server on this stream.
    Refused,
}

// A comparison of cursors would be compiled into each `==`.
impl Standing {
    pub(super) fn is_active(&self) -> bool {
        matches!(self, Self::Active)
    }

    pub(super) fn is_refused(&self) -> bool {
        matches!(self, Self::Refused)
    }
}

impl Subscription {
    /// A handler of this tab that has just been made.
    pub(super) fn new(id: HandlerId, hears: Hears, pattern: Pattern) -> Self {
        let standing = Standing::Pending { since: None, call: None };
        let known = Known::Nothing;
        Self {
            id,
            tab: 0,
            remote_id: 0,
            hears,
            pattern,
            standing,
            known,
            in_url_at: None,
            owes_gap: false,
            heard_up_to: None,
        }
    }

    /// Whether it is a handler of this tab.
    pub(super) fn is_own(&self) -> bool {
        self.tab == 0
    }

    /// Whether it is a channel subscription that the server should know of.
    pub(super) fn is_wanted(&self) -> bool {
        self.hears == Hears::Channels && !self.standing.is_refused()
    }

    /// Whether it has to receive addressed events of the past. New ones reach every stream of a user without a request.
    pub(super) fn wants_past(&self) -> bool {
        self.hears == Hears::Addressed && matches!(self.standing, Standing::Pending { since: Some(_), .. })
    }

    /// Whether it has received part of the past that it waits for.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.standing, Standing::Pending { since, .. } if self.heard_up_to != since)
    }

    /// Whether it waits for this call.
    pub(super) fn awaits(&self, call: u32) -> bool {
        matches!(self.standing, Standing::Pending { call: Some(own), .. } if own == call)
    }

    /// Whether it has not received the event at this cursor.
    pub(super) fn misses(&self, cursor: &Option<Cursors>) -> bool {
        match (&self.heard_up_to, cursor) {
            (Some(heard), Some(cursor)) => heard.misses(cursor),
            _ => true,
        }
    }

    /// Notes that it has received every event up to this cursor.
    pub(super) fn hear(&mut self, cursor: &Option<Cursors>) {
        raise(&mut self.heard_up_to, cursor);
    }

    /// Notes that it begins anew after this cursor, whatever it had received before.
    pub(super) fn restart(&mut self, cursor: &Option<Cursors>) {
        self.heard_up_to = *cursor;
    }

    /// Notes that it has to receive every event after this cursor.
    pub(super) fn await_from(&mut self, since: &Option<Cursors>) {
        self.standing = Standing::Pending { since: *since, call: None };
    }

    /// Forgets its call on this stream, so that an unconfirmed request is made again.
    pub(super) fn forget_call(&mut self) {
        if let Standing::Pending { call, .. } = &mut self.standing {
            *call = None;
        }
    }

    /// Without a stream that continues the last one, it has to receive the events after those it has received.
    pub(super) fn begin_from_heard(&mut self) {
        if self.standing.is_active() && self.hears != Hears::Presence && self.heard_up_to.is_some() {
            let since = self.heard_up_to;
            self.await_from(&since);
        }
    }

    /// On a stream with another position, it has to receive the events after those it has received.
    pub(super) fn begin_anew(&mut self) {
        let since = match self.standing {
            _ if self.hears == Hears::Presence => None,
            // It has received every event up to there; the log must still have that position, so the request begins at
            // it.
            Standing::Pending { since: since @ Some(_), .. } => self.heard_up_to.or(since),
            Standing::Active => self.heard_up_to,
            // Another leader has another stream.
            Standing::Pending { since: None, .. } | Standing::Refused => None,
        };
        self.heard_up_to = since;
        self.await_from(&since);
    }
}

/// The subscription of this number, among all in the order of their numbers.
pub(super) fn find(subscriptions: &mut [Subscription], id: HandlerId) -> Option<&mut Subscription> {
    let index = subscriptions.binary_search_by_key(&id, |subscription| subscription.id).ok()?;
    subscriptions.get_mut(index)
}

/// The numbers of some subscriptions. (Here and elsewhere loops replace iterators, because each kind of iterator adds
/// code to the download.)
#[inline(never)]
pub(super) fn select(subscriptions: &[Subscription], which: &dyn Fn(&Subscription) -> bool) -> Vec<HandlerId> {
    let mut ids = Vec::new();
    for one in subscriptions {
        if which(one) {
            ids.push(one.id);
        }
    }
    ids
}

/// Moves a cursor forward, log by log. Cursors of different epochs cannot be compared; the newer one counts.
#[inline(never)]
pub(super) fn raise(cursor: &mut Option<Cursors>, newer: &Option<Cursors>) {
    if let Some(newer) = newer {
        match cursor {
            Some(cursor) => cursor.raise(newer),
            None => *cursor = Some(*newer),
        }
    }
}
