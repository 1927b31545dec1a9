//! The results of reads and tails, and their errors.

use tidings_protocol::Cursor;

use super::RoutingKey;
use crate::record::Record;

/// Any failure of an engine, as a boxed error.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// An item of a tail: consecutive records, and the cursor that they follow. A batch without records says that the log
/// ended at `after` when it was yielded, and that the tail is alive.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The cursor of the record before the first one of the batch.
    pub after: Cursor,
    /// The records, in order.
    pub records: Vec<Record>,
}

/// Why the record after a cursor cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Records after the cursor were trimmed; the cursor is of this log:
    /// [`Location::Trimmed`](super::Location::Trimmed).
    #[error("records up to {base} have left the log")]
    Trimmed {
        /// The cursor right before the first record in the log.
        base: Cursor,
    },
    /// Records after the cursor were trimmed so long ago that it is unknown whether the cursor is of this log.
    #[error("the log begins long after the cursor")]
    Forgotten,
    /// The log ends before the cursor, or holds another record there.
    #[error("the log ends before the cursor, or holds another record there")]
    Diverged,
    /// The cursor belongs to another log.
    #[error("the cursor is of another log")]
    Epoch,
    /// Records right after the cursor cannot be read as they were written.
    #[error("records up to {through} are damaged")]
    Damaged {
        /// The last damaged record, with the tag by which reading continues after it.
        through: Cursor,
        /// The routing keys of the damaged records; `None` where they are unknown and could be any.
        keys: Option<Vec<RoutingKey>>,
    },
    /// The engine could not be reached; the same call may succeed later.
    #[error("the engine could not be read; try again")]
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
    /// Nothing was stored, and nothing will be.
    #[error("the engine refused the append")]
    Refused(#[source] Source),
    /// Nothing was stored, and nothing will be, because too many appends already wait for the log. Append again in a
    /// moment.
    #[error("too many appends wait for the log; append again in a moment")]
    Overloaded,
    /// The entries may have been stored. Append them again with the same keys.
    #[error("it is unknown whether the engine stored the append; append again with the same keys")]
    Unknown(#[source] Source),
}

/// The engine could not be reached; the same call may succeed later.
#[derive(Debug, thiserror::Error)]
#[error("the engine could not be reached; try again")]
pub struct EngineError(#[source] pub Source);
