//! What a connection is given of the engine's log, where the window does not reach back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use tidings_protocol::{Cursor, frame::GapReason};

use super::Connection;
use crate::{engine::RoutingKey, routing::KeyRef, segment::Segment, window::Window};

/// What the engine's log holds after a position: at least one record, or why they cannot be had.
pub(crate) type Fetched = Result<Arc<Segment>, Hole>;

/// Why the next records of the engine's log cannot be had.
#[derive(Debug, Clone)]
pub(crate) enum Hole {
    /// The position is not one of this log: anything may have been missed.
    Gap(GapReason),
    /// The log goes on further on.
    Skip(Skip),
}

/// A part of the log that cannot be had, between a position and a later one.
#[derive(Debug, Clone)]
pub(crate) struct Skip {
    /// Where the log goes on.
    pub(crate) to: Cursor,
    pub(crate) reason: GapReason,
    pub(crate) concern: Concern,
}

/// Whom what lies in a skipped part may have been for.
#[derive(Debug, Clone)]
pub(crate) enum Concern {
    /// Anybody.
    All,
    /// Streams that look up one of these keys.
    Keys(HashSet<RoutingKey>),
    /// Streams that look up a key whose last record before the log's beginning has a number above this one. A key that is not in it
    /// was not asked about, and counts.
    Moved(u64, HashMap<RoutingKey, u64>),
}

impl Concern {
    /// Whether something under one of these keys may be missing.
    pub(super) fn is_about<'a>(&self, mut keys: impl Iterator<Item = KeyRef<'a>>) -> bool {
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

/// What was read for a connection, until its next step.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) after: Cursor,
    pub(super) fetched: Fetched,
}

impl Connection {
    /// What was read after this position, where it is there. Another is of no use any more. It is taken out: what a connection does
    /// not write at once it reads again, so that one that is not read holds no records.
    pub(super) fn take_page(&mut self, after: Cursor) -> Option<Fetched> {
        self.aside.take_from()?.page.take().filter(|page| page.after == after).map(|page| page.fetched)
    }
}

/// Whether the engine's log is not the window's any more: they differ in the record before the window's first.
pub(super) fn parts(window: &Window, segment: &Segment) -> bool {
    segment.tag(window.base().seq).is_some_and(|tag| tag != window.base().tag)
}
