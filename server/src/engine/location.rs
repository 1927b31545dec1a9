//! What can be said of a cursor.

/// What can be said of a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// The log holds this record, or begins or ends right after it.
    Held,
    /// The record has left the log, and its tag is known to have been this one: what has left since is told by
    /// [`moved`](super::Engine::moved).
    Trimmed,
    /// The record has left the log so long ago that its tag is not known any more.
    Forgotten,
    /// The log ends before it, or holds, or held, another record there.
    Diverged,
    /// It is of another log.
    Epoch,
}
