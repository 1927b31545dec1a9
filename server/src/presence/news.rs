//! What watchers are told.

use std::sync::Arc;

use bytes::Bytes;
use tidings_protocol::frame::Member;

/// The number of a seat; never used twice.
pub(crate) type SeatId = u64;

/// The driver of a seat, which takes the news.
pub(crate) trait Wake: Send + Sync {
    /// There are news.
    fn ring(&self);
}

/// What a watcher is told of one room.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// All who are there, and the frames that say so, one after the other.
    Here(Vec<Member>, Arc<[Bytes]>),
    Moved(Arc<Moved>),
    Ended(Bytes),
}

/// Who came and who left.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) join: Vec<Member>,
    pub(crate) leave: Vec<Member>,
    pub(crate) frame: Bytes,
}
