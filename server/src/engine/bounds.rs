//! Where a log begins and ends, what one call may take, and what an engine can.

use std::time::Duration;

use tidings_protocol::Cursor;

/// Where the log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The log's lineage.
    pub epoch: u32,
    /// The first record still held, or the one that will come next in an empty log; from 1.
    pub first: u64,
    /// The last record, `first - 1` in an empty log.
    pub last: u64,
    /// The tag of the record at `first - 1`; 0 at the origin. `None` where nobody knows it any more.
    pub base_tag: Option<u32>,
    /// The tag of the record at `last`; in an empty log the same as `base_tag`.
    pub last_tag: Option<u32>,
}

impl Bounds {
    /// The cursor at the end of the log. Where its tag is unknown it has the tag 0, which no record has: whoever resumes
    /// from it once more records stand there is told `gap`, and misses nothing without a word.
    #[must_use]
    pub fn end(&self) -> Cursor {
        Cursor { epoch: self.epoch, seq: self.last, tag: self.last_tag.unwrap_or_default() }
    }

    /// The cursor right before the first record held; as for [`end`](Self::end) where its tag is unknown.
    #[must_use]
    pub fn base(&self) -> Cursor {
        Cursor { epoch: self.epoch, seq: self.first - 1, tag: self.base_tag.unwrap_or_default() }
    }
}

/// Acknowledgement of one entry: it is in the log and will reach everyone it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where the entry stands in the log.
    pub cursor: Cursor,
    /// Whether its key was known: then `cursor` is the first one's, and nothing was stored.
    pub duplicate: bool,
}

/// How far a read may go.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// At most this many records.
    pub records: usize,
    /// Stop after the record with which this many payload bytes are reached; at least one record is returned.
    pub bytes: usize,
}

/// What one append may hold. The hub refuses more before it asks the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// So many entries.
    pub batch: usize,
    /// So many bytes in one entry, as [`Entry::to_bytes`](crate::record::Entry::to_bytes) writes it.
    pub entry_bytes: usize,
}

impl Default for Limits {
    /// No limit.
    fn default() -> Self {
        Self { batch: usize::MAX, entry_bytes: usize::MAX }
    }
}

impl Limits {
    /// At most this many entries in one append.
    #[must_use]
    pub fn batch(mut self, entries: usize) -> Self {
        self.batch = entries;
        self
    }

    /// At most this many bytes in one entry.
    #[must_use]
    pub fn entry_bytes(mut self, bytes: usize) -> Self {
        self.entry_bytes = bytes;
        self
    }
}

/// How long the key of an entry is known: for so long a retry is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remembers {
    /// As long as the log holds the record.
    WithRecord,
    /// For this time after the append, whatever the log holds.
    AtLeast(Duration),
}

/// What came of one step of trimming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// How many records left.
    pub removed: u64,
    /// Whether more have to go.
    pub more: bool,
}
