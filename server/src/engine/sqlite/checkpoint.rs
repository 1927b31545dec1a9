//! When the write-ahead log is copied into the file.
//!
//! SQLite itself would do it within the commit that makes it due, before the callers of that commit are answered. The
//! writer does it after it has answered.

use std::time::Duration;

use rusqlite::Connection;

use super::Shared;

/// A checkpoint is due after this many transactions; the smallest write about four pages each.
const COMMITS: usize = 250;
/// A checkpoint is also due after this many bytes of entries.
const BYTES: usize = 4 << 20;
/// From this many pages on (64 MiB), the checkpoint makes readers release the write-ahead log, so that the log starts
/// over. Our own readers hold it for one page of records; another program's may hold it for longer than the checkpoint
/// waits.
const PAGES: i64 = 16_384;
/// How long a checkpoint waits for readers.
const PATIENCE: Duration = Duration::from_millis(100);

/// Counts towards the next checkpoint.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    commits: usize,
    bytes: usize,
}

impl Checkpoint {
    pub(super) fn committed(&mut self, bytes: usize) {
        self.commits += 1;
        self.bytes += bytes;
    }

    /// Makes a checkpoint due: on a full disk, a write-ahead log that starts over frees space.
    pub(super) fn make_room(&mut self) {
        self.commits = COMMITS;
    }

    pub(super) fn when_due(&mut self, connection: &Connection, shared: &Shared) {
        if self.commits < COMMITS && self.bytes < BYTES {
            return;
        }
        *self = Self::default();
        // A failure loses nothing: the write-ahead log stays as it is, and the next checkpoint copies it.
        if let Err(error) = checkpoint(connection) {
            shared.complain("checkpoint", &error, "the write-ahead log could not be copied into the database");
        }
    }
}

fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    let run = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>("log"));
    if run("PRAGMA wal_checkpoint(PASSIVE)")? >= PAGES {
        connection.busy_timeout(PATIENCE)?;
        let restarted = run("PRAGMA wal_checkpoint(RESTART)");
        connection.busy_timeout(super::schema::BUSY)?;
        restarted?;
    }
    Ok(())
}
