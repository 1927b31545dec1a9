//! A damaged part of the log.

use tidings_protocol::Cursor;

use crate::engine::RoutingKey;

/// A part of the log that cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The last damaged record, with the tag by which reading continues after it.
    pub(super) through: Cursor,
    /// The routing keys of its records, where they are known.
    pub(super) keys: Option<Vec<RoutingKey>>,
}
