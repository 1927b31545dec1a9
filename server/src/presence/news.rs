//! The news that watchers receive.

use std::sync::Arc;

use bytes::Bytes;
use tidings_protocol::frame::Member;

use crate::gathered::Gathered;

/// The number of a seat; never reused.
pub(crate) type SeatId = u64;

/// The driver of a seat, which takes the news.
pub(crate) trait Wake: Send + Sync {
    /// Signals that there are news.
    fn ring(&self);
}

/// A watcher's news of one room.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// All members in the room, and the frames that list them, one after the other.
    Here(Gathered<Vec<Member>>, Arc<[Bytes]>),
    Moved(Arc<Moved>),
    Ended(Bytes),
}

/// The members who joined and who left.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) join: Vec<Member>,
    pub(crate) leave: Vec<Member>,
    pub(crate) frame: Bytes,
}
