//! The settings of a log, and its opening.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{
    Sqlite,
    base::{Base, Mark},
    checkpoint::Checkpoint,
    error::OpenError,
    files::Files,
    lock::{self, Lock},
    log::{Found, Position},
    reader::Readers,
    schema,
    shared::Shared,
    summary,
    trim::Keeps,
    writer::Writer,
};
use crate::{
    clock::wall_clock_ms,
    engine::{AgeClock, Retention, backlog::BACKLOG_BYTES},
};

/// The settings of a [`Sqlite`] log, from [`Sqlite::builder`].
///
/// Records leave from the front when any of the three bounds is exceeded, in steps between the appends. Each record's
/// idempotency key is forgotten with it.
#[derive(Debug, Clone)]
#[must_use = "call open()"]
pub struct SqliteBuilder {
    path: PathBuf,
    keeps: Keeps,
    backlog_bytes: usize,
    /// The wall clock; tests pass another one.
    wall: fn() -> u64,
}

impl Sqlite {
    /// Opens the log in this file with the default [settings](SqliteBuilder), or creates it.
    ///
    /// # Errors
    ///
    /// [`OpenError`], at once: the file is in use, belongs to another application, is too new, is damaged, or cannot be
    /// accessed.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    /// A builder with the default settings for this file.
    pub fn builder(path: impl AsRef<Path>) -> SqliteBuilder {
        SqliteBuilder::new(path.as_ref().to_owned())
    }
}

impl SqliteBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        let week = Duration::from_secs(7 * 24 * 60 * 60);
        let retention = Retention { records: 10_000_000, bytes: 1 << 30, age: week };
        Self {
            path,
            keeps: Keeps { retention, keys: 1_000_000, tags: 10_000_000 },
            backlog_bytes: BACKLOG_BYTES,
            wall: wall_clock_ms,
        }
    }

    /// The most records. Defaults to 10,000,000.
    pub fn records(mut self, records: u64) -> Self {
        self.keeps.retention.records = records;
        self
    }

    /// The most bytes of stored entries, that is, the payload and what belongs to it, as JSON. Defaults to 1 GiB. The
    /// file with its index of keys is about a third larger. The write-ahead log beside it stays below 64 MiB unless
    /// another program keeps a transaction open on the file.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.keeps.retention.bytes = bytes;
        self
    }

    /// The greatest age of a record, by a clock that is stored with the log. The clock follows the wall clock, but
    /// never goes backwards, and forwards at most ten times as fast as time passes. Defaults to 7 days.
    pub fn age(mut self, age: Duration) -> Self {
        self.keeps.retention.age = age;
        self
    }

    /// For how many channels, users and devices the last use in the trimmed part of the log is known, so that a stream
    /// which resumes from there receives `gap` only if it missed something. A key takes about 40 bytes of the file; an
    /// event on `a:b` has three keys. The keys with the oldest last use are dropped first, and then count as used.
    /// Defaults to 1,000,000.
    pub fn summary_keys(mut self, keys: u64) -> Self {
        self.keeps.keys = keys;
        self
    }

    /// For about how many of the last trimmed records the tag is kept (4 bytes each), which distinguishes them from
    /// those of another log. A client that resumes from an earlier record receives `gap`. Defaults to 10,000,000.
    pub fn summary_tags(mut self, tags: u64) -> Self {
        self.keeps.tags = tags;
        self
    }

    /// About how many bytes of events, as they are in memory, may wait for the disk. An append that finds no room is
    /// refused as [`AppendError::Overloaded`](crate::engine::AppendError::Overloaded), and `POST /publish` answers 503
    /// `overloaded` with `Retry-After`. An append larger than this is accepted while no other one waits. Defaults to 64
    /// MiB.
    pub fn backlog_bytes(mut self, bytes: usize) -> Self {
        self.backlog_bytes = bytes;
        self
    }

    /// Sets the wall clock.
    #[cfg(test)]
    pub(super) fn wall(mut self, wall: fn() -> u64) -> Self {
        self.wall = wall;
        self
    }

    /// Opens the log, or creates it if the file does not exist or is empty.
    ///
    /// The call waits briefly for the disk: after a crash, SQLite first replays its write-ahead log, and the summary of
    /// trimmed records is verified, which takes a tenth of a second for a million keys.
    ///
    /// # Errors
    ///
    /// [`OpenError`], at once: the file is in use, belongs to another application, is too new, is damaged, or cannot be
    /// accessed. Damaged records do not keep the log from being opened; see [`Sqlite`].
    pub fn open(self) -> Result<Sqlite, OpenError> {
        let Self { path, keeps, backlog_bytes, wall } = self;
        let path = lock::resolve(&path).map_err(|error| OpenError::io(&path, error))?;
        let failed = |error| OpenError::sqlite(&path, error);
        // The file is examined before anything is written beside it, because it may belong to another application.
        if path.exists() {
            let connection = schema::connect(&path, false).map_err(failed)?;
            schema::recognise(&connection, &path)?;
        }
        let mut lock = Lock::take(&path)?;
        let connection = schema::connect(&path, true).map_err(failed)?;
        if !schema::recognise(&connection, &path)? {
            let epoch = fastrand::u32(1..);
            let base = Base { epoch, mark: Mark::ORIGIN, floor: 0, lost: 0, keys: 0, clock: wall() };
            schema::create(&connection, &base).map_err(failed)?;
        }
        schema::set_up_writer(&connection).map_err(failed)?;
        let Found { mut position, cut_after } =
            Position::load(&connection, |epoch| lock.acknowledged(epoch)).map_err(failed)?;
        let shared = Arc::new(Shared::new(Readers::new(path.clone()), Files::new(&path), position.end()));
        if let Some(after) = cut_after {
            shared.tell_cut(after, position.last.seq);
        }
        if !summary::is_sound(&connection, &position.base).map_err(failed)? {
            shared
                .tell_summary(&super::error::corrupt("the table \"summary\" is damaged: its checksum does not match"));
            // If even that fails, the summary is not used any more.
            let is_lost = summary::reset(&connection, &mut position.base).is_err();
            shared.has_no_summary.store(is_lost, std::sync::atomic::Ordering::Release);
        }
        let writer = Writer {
            connection,
            keeps,
            shared,
            lock,
            clock: AgeClock::starting_at(position.base.clock),
            wall,
            position: Some(position),
            checkpoint: Checkpoint::default(),
            appended: 0,
            header: Vec::new(),
        };
        Sqlite::start(writer, backlog_bytes).map_err(|error| OpenError::io(&path, error))
    }
}
