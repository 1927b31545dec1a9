//! What reads and tails yield, and why they cannot.

use tidings_protocol::Cursor;

use super::RoutingKey;
use crate::record::Record;

/// Any failure of an engine, with its source in words.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// What a tail yields: records that follow one another, and the cursor that they follow. Without records it says that the log
/// ended at `after` when it was yielded, and that the tail is alive.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The record before the first of these.
    pub after: Cursor,
    /// What follows it, in order.
    pub records: Vec<Record>,
}

/// Why the record after a cursor cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Records after the cursor have left the log, which was this one: [`Location::Trimmed`](super::Location::Trimmed).
    #[error("records up to {base} have left the log")]
    Trimmed {
        /// Right before the first record held.
        base: Cursor,
    },
    /// Records after the cursor have left the log so long ago that it cannot be told whether it was this one.
    #[error("the log begins long after the cursor")]
    Forgotten,
    /// The log ends before the cursor, or holds another record there.
    #[error("the log ends before the cursor, or holds another record there")]
    Diverged,
    /// The cursor is of another log.
    #[error("the cursor is of another log")]
    Epoch,
    /// Records right after the cursor cannot be read as they were written.
    #[error("records up to {through} are damaged")]
    Damaged {
        /// The last of them, with the tag by which reading goes on after it.
        through: Cursor,
        /// The routing keys of the records between, where they are known; `None` where they could be any.
        keys: Option<Vec<RoutingKey>>,
    },
    /// The engine could not be asked; the same call may succeed later.
    #[error("the engine could not be read")]
    Unavailable(#[source] Source),
}

impl From<EngineError> for ReadError {
    fn from(EngineError(source): EngineError) -> Self {
        Self::Unavailable(source)
    }
}

/// Why an append was not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Nothing was stored, nor will be.
    #[error("the engine refused the append")]
    Refused(#[source] Source),
    /// Nothing was stored, nor will be: so much waits for the log already that the engine keeps no more. Append again in a moment.
    #[error("too much waits for the log")]
    Overloaded,
    /// It may have been stored; append again with the same keys.
    #[error("the engine did not say whether it stored the append")]
    Unknown(#[source] Source),
}

/// The engine could not be asked; the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the engine could not be asked")]
pub struct EngineError(#[source] pub Source);
