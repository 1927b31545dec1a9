//! Where a log begins and ends, the limits of one call, and how long keys are known.

use std::time::Duration;

use tidings_protocol::Cursor;

/// Where the log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The epoch, which identifies the log.
    pub epoch: u32,
    /// The first record in the log, or the next number to be assigned if the log is empty; at least 1.
    pub first: u64,
    /// The last record; `first - 1` in an empty log.
    pub last: u64,
    /// The tag of the record at `first - 1`; 0 at the origin, and `None` where it is no longer known.
    pub base_tag: Option<u32>,
    /// The tag of the record at `last`; in an empty log, the same as `base_tag`.
    pub last_tag: Option<u32>,
}

impl Bounds {
    /// The cursor at the end of the log. If its tag is unknown, the cursor has the tag 0, which no record has: a client
    /// that resumes from it after more records were appended then receives `gap`, and misses nothing silently.
    #[must_use]
    pub fn end(&self) -> Cursor {
        Cursor { epoch: self.epoch, seq: self.last, tag: self.last_tag.unwrap_or_default() }
    }

    /// The cursor right before the first record; if its tag is unknown, like [`end`](Self::end).
    #[must_use]
    pub fn base(&self) -> Cursor {
        Cursor { epoch: self.epoch, seq: self.first - 1, tag: self.base_tag.unwrap_or_default() }
    }
}

/// The acknowledgement of one entry: it is in the log, and all its receivers will receive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The entry's position in the log.
    pub cursor: Cursor,
    /// Whether the key was known already. Then `cursor` is that of the first entry, and nothing was stored.
    pub duplicate: bool,
}

/// The limit of a read.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// At most this many records.
    pub records: usize,
    /// Stop after the record with which this many payload bytes are reached. At least one record is returned.
    pub bytes: usize,
}

/// The limits of one append. The hub refuses larger ones before it asks the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The most entries.
    pub batch: usize,
    /// The most bytes of one entry, as [`Entry::to_bytes`](crate::record::Entry::to_bytes) writes it.
    pub entry_bytes: usize,
}

impl Default for Limits {
    /// No limits.
    fn default() -> Self {
        Self { batch: usize::MAX, entry_bytes: usize::MAX }
    }
}

impl Limits {
    /// Sets the most entries of one append.
    #[must_use]
    pub fn batch(mut self, entries: usize) -> Self {
        self.batch = entries;
        self
    }

    /// Sets the most bytes of one entry.
    #[must_use]
    pub fn entry_bytes(mut self, bytes: usize) -> Self {
        self.entry_bytes = bytes;
        self
    }
}

/// How long the key of an entry is known. A retry within this time is a duplicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remembers {
    /// As long as the log holds the record.
    WithRecord,
    /// At least this long after the append, regardless of which records the log holds.
    AtLeast(Duration),
}

/// The result of one step of trimming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// The number of records that were removed.
    pub removed: u64,
    /// Whether more records have to be removed.
    pub more: bool,
}
