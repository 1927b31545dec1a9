//! The engine's log, a page at a time, for a connection that the window does not reach back to.

use std::collections::VecDeque;

use tidings_protocol::{Cursor, frame::GapReason};

use super::Connection;
use crate::{engine::Limit, record::Record, window::Window};

/// How much of the engine's log is read at once for a connection that lags behind the window.
pub(super) const PAGE: Limit = Limit { records: 1_000, bytes: 1 << 20 };

/// What the engine's log holds after a position: at least one record, or why there is none.
pub(crate) type Fetched = Result<Vec<Record>, GapReason>;

/// A page of the engine's log, being worked off.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) after: Cursor,
    pub(super) records: Result<VecDeque<Record>, GapReason>,
}

impl Connection {
    /// The page after this position, where it is there. Another is of no use any more.
    pub(super) fn take_page(&mut self, after: Cursor) -> Option<Page> {
        self.aside.take_from()?.page.take().filter(|page| page.after == after)
    }
}

/// Whether the engine's log is not the window's any more: they differ in the record before the window's first.
pub(super) fn parts(window: &Window, record: &Record) -> bool {
    record.seq == window.base().seq && record.tag != window.base().tag
}
