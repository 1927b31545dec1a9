//! How much a log keeps, and its opening.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Sqlite,
    error::{OpenError, OpenErrorKind},
    lock::{self, Lock},
    log::Position,
    reader, schema,
    writer::Writer,
};
use crate::engine::Limit;

/// What a log keeps at most.
#[derive(Debug, Clone)]
pub(super) struct Retention {
    pub(super) records: u64,
    pub(super) bytes: u64,
    pub(super) age_ms: u64,
}

/// Settings of a [`Sqlite`] log, from [`Sqlite::builder`].
///
/// Records leave from the front when any of the three bounds is passed, in steps between the appends, and each takes its
/// idempotency key along.
#[derive(Debug, Clone)]
#[must_use = "call open()"]
pub struct SqliteBuilder {
    path: PathBuf,
    retention: Retention,
}

impl SqliteBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        Self { path, retention: Retention { records: 10_000_000, bytes: 1 << 30, age_ms: 0 } }.age(week)
    }

    /// At most this many records. Defaults to 10,000,000.
    pub fn records(mut self, records: u64) -> Self {
        self.retention.records = records;
        self
    }

    /// At most this many bytes of stored entries: the payload and what belongs to it, as JSON. Defaults to 1 GiB. The file
    /// with its index of keys is about a third larger; the write-ahead log beside it stays below 64 MiB unless somebody
    /// else keeps a transaction open on the file.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.retention.bytes = bytes;
        self
    }

    /// Nothing older than this, counted from the newest record, so that a log that was quiet for long loses nothing by it.
    /// Defaults to 7 days.
    pub fn age(mut self, age: Duration) -> Self {
        self.retention.age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Opens the log, or creates it where there is no file, or an empty one.
    ///
    /// It waits for the disk, for a moment: after a crash SQLite first takes over what its write-ahead log holds.
    ///
    /// # Errors
    ///
    /// [`OpenError`], at once: the file is in use, not ours, too new, damaged, or out of reach.
    pub fn open(self) -> Result<Sqlite, OpenError> {
        let Self { path, retention } = self;
        let path = lock::resolve(&path).map_err(|error| OpenError::io(&path, error))?;
        // Looked at before anything is written beside it: it may belong to somebody else.
        if path.exists() {
            let connection = schema::connect(&path, false).map_err(|error| OpenError::sqlite(&path, error))?;
            schema::recognise(&connection, &path)?;
        }
        let lock = Lock::take(&path)?;
        let connection = schema::connect(&path, true).map_err(|error| OpenError::sqlite(&path, error))?;
        let ours = schema::recognise(&connection, &path)?;
        let prepared = prepare(&connection, ours).map_err(|error| OpenError::sqlite(&path, error))?;
        let position = prepared.ok_or_else(|| corrupt(&path, "its first and last records do not fit its bounds"))?;
        // The end is what the next record is chained to.
        if let Some(before) = position.last.seq.checked_sub(1) {
            reader::page(&connection, before, Limit { records: 1, bytes: 1 }).map_err(|error| corrupt(&path, error))?;
        }
        Sqlite::start(path.clone(), lock, |shared| Writer::new(connection, position, retention, shared))
            .map_err(|error| OpenError::io(&path, error))
    }
}

fn corrupt(path: &Path, source: impl Into<crate::engine::Source>) -> OpenError {
    OpenError::new(OpenErrorKind::Corrupt, path, Some(source.into()))
}

fn prepare(connection: &rusqlite::Connection, ours: bool) -> rusqlite::Result<Option<Position>> {
    if !ours {
        schema::create(connection, fastrand::u32(1..))?;
    }
    schema::set_up_writer(connection)?;
    Position::load(connection)
}
