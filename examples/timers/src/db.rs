//! The database: one SQLite connection, used by one transaction at a time.

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::Error;

/// A timer belongs to its user and there is one per user, so the user is its key: starting another replaces it, and two
/// devices that start at the same moment cannot both win.
///
/// `revision` counts the changes of a user's timer. News can overtake each other on their way (an answer and an event,
/// two events of two requests); whoever knows the higher revision knows the newer state.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS users (
    name     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    id         TEXT PRIMARY KEY,
    user       TEXT NOT NULL REFERENCES users(name),
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS devices (
    user    TEXT NOT NULL REFERENCES users(name),
    id      TEXT NOT NULL,
    name    TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (user, id)
) STRICT;
CREATE TABLE IF NOT EXISTS timers (
    user             TEXT PRIMARY KEY REFERENCES users(name),
    title            TEXT NOT NULL,
    mode             TEXT NOT NULL,
    planned_minutes  INTEGER,
    started_at       INTEGER NOT NULL,
    device_id        TEXT,
    phase_kind       TEXT,
    phase_round      INTEGER,
    phase_minutes    INTEGER,
    phase_started_at INTEGER
) STRICT;
";

/// A handle to the database; clones share it.
#[derive(Clone)]
pub(crate) struct Db(Arc<Mutex<Connection>>);

impl Db {
    /// Opens the file, and creates it and its tables where they are missing.
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(SCHEMA)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in a transaction of its own, which is committed when `work` succeeds and undone when it fails.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let connection = Arc::clone(&self.0);
        // SQLite waits for the disk, which must not hold up the runtime's threads.
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        });
        done.await.map_err(|stopped| Error::Internal(stopped.into()))?
    }
}

/// Milliseconds since 1970: how every moment is stored and sent.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
