//! The database: one SQLite connection, used by one transaction at a time.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::Error;

/// How many transactions this process has begun.
static TRANSACTIONS: AtomicU64 = AtomicU64::new(0);

/// A handle to the database; clones share it.
#[derive(Debug, Clone)]
pub struct Db(Arc<Mutex<Connection>>);

impl Db {
    /// Opens the file, or creates it, with the tables of `schema`.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, or the schema is not valid SQL.
    pub fn open(path: &Path, schema: &str) -> anyhow::Result<Self> {
        let connection = Connection::open(path).with_context(|| format!("opening {}", path.display()))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.execute_batch(schema)?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// Runs `work` in a transaction of its own, which is committed when `work` succeeds and rolled back when it fails.
    ///
    /// # Errors
    ///
    /// The error of `work`, or [`Error::Internal`] if the database fails.
    pub async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let db = self.clone();
        // SQLite waits for the disk, which must not block the runtime's threads.
        let done = tokio::task::spawn_blocking(move || db.transact_now(work));
        done.await.map_err(|stopped| Error::Internal(stopped.into()))?
    }

    /// How many transactions this process has begun, to show the cost of a design.
    pub fn transactions() -> u64 {
        TRANSACTIONS.load(Relaxed)
    }

    /// Like [`transact`](Self::transact), on this thread: for the start of a program.
    ///
    /// # Errors
    ///
    /// The same as for `transact`.
    pub fn transact_now<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T, Error>) -> Result<T, Error> {
        TRANSACTIONS.fetch_add(1, Relaxed);
        let mut connection = self.0.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// Milliseconds since 1970: how every moment is stored and sent.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
