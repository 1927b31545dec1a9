//! Pages of the engine's log for a connection, before the window.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tidings_protocol::{
    Cursor, Pattern, RequestId,
    frame::{Gap, GapReason},
};

use crate::{
    engine::RoutingKey,
    routing::{self, KeyRef, RouteKey, refs},
    segment::Segment,
    window::Window,
};

/// The records of the engine's log after a position, at least one; or why they cannot be read.
pub(crate) type Fetched = Result<Arc<Segment>, Hole>;

/// Why the next records of the engine's log cannot be read.
#[derive(Debug, Clone)]
pub(crate) enum Hole {
    /// The position is not one of this log: anything may have been missed.
    Gap(GapReason),
    /// The log continues further along.
    Skip(Skip),
}

/// A part of the log that is missing or damaged, between a position and a later one.
#[derive(Debug, Clone)]
pub(crate) struct Skip {
    /// The position after which the log continues.
    pub(crate) to: Cursor,
    pub(crate) reason: GapReason,
    pub(crate) concern: Concern,
}

impl Skip {
    /// Where a reader that comes to this part continues: at its end, or at the window's beginning if that lies further
    /// on. `None` where the log is no longer the window's.
    pub(super) fn goes_on(&self, window: &Window) -> Option<Cursor> {
        let base = window.base();
        let has_diverged = self.to.seq == base.seq && self.to.tag != base.tag;
        (!has_diverged).then_some(if self.to.seq > base.seq { base } else { self.to })
    }

    /// The gap that names which of these channels may miss something, and whether addressed events may, which the
    /// identity's keys among `keys` stand for. `None` where nothing is missing.
    pub(super) fn gap(
        &self,
        goes_on: Cursor,
        channels: &[Pattern],
        keys: &[RouteKey],
        request_id: Option<RequestId>,
    ) -> Option<Gap> {
        let is_about = |channel: &&Pattern| self.concern.is_about(refs(&routing::looked_up(channel)));
        let channels: Vec<_> = channels.iter().filter(is_about).cloned().collect();
        let addressed = self.concern.is_about(refs(keys).filter(|(kind, _)| kind.is_identity()));
        let cursor = Some(goes_on);
        (addressed || !channels.is_empty()).then_some(Gap {
            channels: Some(channels),
            addressed,
            cursor,
            reason: self.reason,
            request_id,
        })
    }
}

/// Whose records a skipped part may have held.
#[derive(Debug, Clone)]
pub(crate) enum Concern {
    /// Any stream's.
    All,
    /// Streams that look up one of these keys.
    Keys(HashSet<RoutingKey>),
    /// Streams that look up a key whose last record before the log's beginning has a number above this one. A key that
    /// is not in the map was not asked about, and counts as concerned.
    Moved(u64, HashMap<RoutingKey, u64>),
}

impl Concern {
    /// Whether records under one of these keys may be missing.
    fn is_about<'a>(&self, mut keys: impl Iterator<Item = KeyRef<'a>>) -> bool {
        keys.any(|(kind, text)| {
            let key = RoutingKey::of(kind, text);
            match self {
                Self::All => true,
                Self::Keys(keys) => keys.contains(&key),
                Self::Moved(after, last) => last.get(&key).is_none_or(|last| last > after),
            }
        })
    }
}

/// A page that was read for a connection, until its next step.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) after: Cursor,
    pub(super) fetched: Fetched,
}

/// Whether the engine's log is no longer the window's: they differ in the record before the window's first.
pub(super) fn parts(window: &Window, segment: &Segment) -> bool {
    segment.tag(window.base().seq).is_some_and(|tag| tag != window.base().tag)
}
