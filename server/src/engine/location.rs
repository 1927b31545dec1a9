//! Where a cursor lies in a log.

/// Where a cursor lies in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The log holds this record, or begins or ends right after it.
    Held,
    /// The record was trimmed, and it had this tag. [`moved`](super::Engine::moved) says which keys' records were
    /// trimmed since.
    Trimmed,
    /// The record was trimmed so long ago that its tag is no longer known.
    Forgotten,
    /// The log ends before it, or holds or held another record there.
    Diverged,
    /// The cursor belongs to another log.
    Epoch,
}
