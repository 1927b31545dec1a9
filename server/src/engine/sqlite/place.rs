//! A damaged part of the log.

use tidings_protocol::Cursor;

use crate::engine::RoutingKey;

/// A part of the log that cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its last record, with the tag by which reading goes on after it.
    pub(super) through: Cursor,
    /// Whom it may concern, where that is known.
    pub(super) keys: Option<Vec<RoutingKey>>,
}
