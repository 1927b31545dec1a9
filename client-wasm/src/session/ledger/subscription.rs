//! One handler, and how far it has heard.

use tidings_protocol::Pattern;

use super::super::cursors::Cursors;
use crate::routes::{HandlerId, Hears};

/// What a handler has heard of its channel, and what it is owed.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: HandlerId,
    /// Whose handler it is: this tab's own is 0, another's is the number that the hub gave it.
    pub(super) tab: u32,
    /// Of another tab's: the call by which it was asked for there.
    pub(super) remote_id: u32,
    pub(super) hears: Hears,
    pub(super) pattern: Pattern,
    pub(super) standing: Standing,
    pub(super) known: Known,
    /// A call for it has found no stream: it stands in the URL of one that goes on from here, which is where it was asked for.
    pub(super) in_url_at: Option<Cursors>,
    /// Its `since` could not be read: the application is told of a gap as soon as it is active.
    pub(super) owes_gap: bool,
    /// It has heard all up to here, so what comes again is dropped. Each subscription has a cursor of its own: of two on one
    /// channel, one may be asking for a past that the other has long heard.
    pub(super) heard_up_to: Option<Cursors>,
}

/// What the application was told of a handler last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    Nothing,
    /// That it hears everything.
    Hears,
    /// That the server will not have it.
    Refused,
}

/// How a subscription stands with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not confirmed.
    Pending {
        /// It is to hear all from here on; `None`: from wherever it is confirmed.
        since: Option<Cursors>,
        /// The call under way for it, on this stream.
        call: Option<u32>,
    },
    /// Confirmed in the stream, and to be resumed from the stream's cursor.
    Active,
    /// The server will not have it on this stream.
    Refused,
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
        self.hears == Hears::Channels && self.standing != Standing::Refused
    }

    /// Whether it is to be brought addressed events of the past. Those to come reach every stream of a user by themselves.
    pub(super) fn wants_past(&self) -> bool {
        self.hears == Hears::Addressed && matches!(self.standing, Standing::Pending { since: Some(_), .. })
    }

    /// Whether it has been given something of the past that it waits for.
    pub(super) fn has_begun(&self) -> bool {
        matches!(self.standing, Standing::Pending { since, .. } if self.heard_up_to != since)
    }

    /// Whether it waits for this call.
    pub(super) fn awaits(&self, call: u32) -> bool {
        matches!(self.standing, Standing::Pending { call: Some(own), .. } if own == call)
    }

    /// Whether it has not heard the event at this cursor.
    pub(super) fn misses(&self, cursor: &Option<Cursors>) -> bool {
        match (&self.heard_up_to, cursor) {
            (Some(heard), Some(cursor)) => heard.misses(cursor),
            _ => true,
        }
    }

    /// It has heard all up to this cursor.
    pub(super) fn hear(&mut self, cursor: &Option<Cursors>) {
        raise(&mut self.heard_up_to, cursor);
    }

    /// It is to hear all from this cursor on.
    pub(super) fn await_from(&mut self, since: &Option<Cursors>) {
        self.standing = Standing::Pending { since: *since, call: None };
    }

    /// What it asked for on this stream, and is not confirmed, is asked for again.
    pub(super) fn forget_call(&mut self) {
        if let Standing::Pending { call, .. } = &mut self.standing {
            *call = None;
        }
    }

    /// Without a stream that goes on where the last one was it is to be brought what followed what it has heard.
    pub(super) fn begin_from_heard(&mut self) {
        if self.standing == Standing::Active && self.hears != Hears::Presence && self.heard_up_to.is_some() {
            let since = self.heard_up_to;
            self.await_from(&since);
        }
    }

    /// On a stream that begins somewhere else it is to be brought what followed what it has heard.
    pub(super) fn begin_anew(&mut self) {
        let since = match self.standing {
            _ if self.hears == Hears::Presence => None,
            // It has heard all up to there; the log must still have that place, so it is what is asked from.
            Standing::Pending { since: since @ Some(_), .. } => self.heard_up_to.or(since),
            Standing::Active => self.heard_up_to,
            // Another leader has another stream.
            Standing::Pending { since: None, .. } | Standing::Refused => None,
        };
        self.heard_up_to = since;
        self.await_from(&since);
    }
}

/// The one of this number, among all in the order of their numbers.
pub(super) fn find(subscriptions: &mut [Subscription], id: HandlerId) -> Option<&mut Subscription> {
    let index = subscriptions.binary_search_by_key(&id, |subscription| subscription.id).ok()?;
    subscriptions.get_mut(index)
}

/// The numbers of some of them. (Here and elsewhere loops stand where an iterator would do: each kind of iterator is downloaded.)
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

/// Moves a cursor forward, log by log. Cursors of another epoch cannot be compared; the newer word counts.
#[inline(never)]
pub(super) fn raise(cursor: &mut Option<Cursors>, newer: &Option<Cursors>) {
    if let Some(newer) = newer {
        match cursor {
            Some(cursor) => cursor.raise(newer),
            None => *cursor = Some(*newer),
        }
    }
}
