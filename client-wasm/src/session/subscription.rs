//! One handler, and how far it has heard.

use tidings_protocol::{Cursor, Pattern};

use crate::routes::{HandlerId, Hears};

/// What a handler has heard of its channel, and what the session owes it.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: HandlerId,
    pub(super) hears: Hears,
    pub(super) pattern: Pattern,
    pub(super) standing: Standing,
    /// Whether the application has been told that it is active, or never will be.
    pub(super) settled: bool,
    /// Its `since` could not be read: the application is told of a gap as soon as it is active.
    pub(super) owes_gap: bool,
    /// It has heard all up to here, so what comes again is dropped. Each subscription has a mark of its own: of two on one
    /// channel, one may be asking for a past that the other has long heard.
    pub(super) mark: Option<Cursor>,
}

/// How a subscription stands with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not confirmed.
    Pending {
        /// It is to hear all from here on; `None`: from wherever it is confirmed.
        since: Option<Cursor>,
        /// The call under way for it, on this stream.
        call: Option<u32>,
    },
    /// Confirmed in the stream, and to be resumed from the stream's cursor.
    Active,
    /// The server will not have it.
    Refused,
}

impl Subscription {
    /// Whether it is a channel subscription that the server should know of.
    pub(super) fn is_wanted(&self) -> bool {
        self.hears == Hears::Channels && self.standing != Standing::Refused
    }

    /// Whether it waits for this call.
    pub(super) fn awaits(&self, call: u32) -> bool {
        matches!(self.standing, Standing::Pending { call: Some(own), .. } if own == call)
    }

    /// Whether it has not heard the record at this position.
    pub(super) fn misses(&self, position: Option<Cursor>) -> bool {
        match (self.mark, position) {
            (Some(mark), Some(position)) => mark.epoch != position.epoch || mark.seq < position.seq,
            _ => true,
        }
    }

    /// It has heard all up to this position.
    pub(super) fn heard(&mut self, position: Option<Cursor>) {
        raise(&mut self.mark, position);
    }
}

/// The one of this number, among all in the order of their numbers.
pub(super) fn find(subscriptions: &mut [Subscription], id: HandlerId) -> Option<&mut Subscription> {
    let index = subscriptions.binary_search_by_key(&id, |subscription| subscription.id).ok()?;
    subscriptions.get_mut(index)
}

/// Moves a position forward. Positions of another epoch cannot be compared; the newer word counts.
pub(super) fn raise(mark: &mut Option<Cursor>, position: Option<Cursor>) {
    if let Some(position) = position
        && mark.is_none_or(|mark| mark.epoch != position.epoch || mark.seq < position.seq)
    {
        *mark = Some(position);
    }
}
