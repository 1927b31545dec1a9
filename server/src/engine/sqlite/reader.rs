//! Reading, on connections of its own and off the runtime's threads.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::Semaphore;

use super::{error::corrupt, row::checksum, schema};
use crate::engine::{EngineError, Source};

/// The most concurrent reads. Reading is bound by processor time and page cache, so more at once would not read more
/// per second.
const READERS: usize = 4;

/// The pool of connections for reading.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, turns: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` in a read transaction, on a thread where it may wait for the disk. Dropping the caller interrupts
    /// nothing half-way.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, EngineError> {
        let readers = self.clone();
        let turn = self.turns.clone().acquire_owned().await.map_err(|closed| EngineError(closed.into()))?;
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let idle = readers.idle.lock().pop();
            let connection = idle.map_or_else(|| schema::connect_reader(&readers.path), Ok)?;
            // One transaction makes all statements see the same log.
            let transaction = connection.unchecked_transaction()?;
            let value = work(&transaction)?;
            transaction.finish()?;
            // After an error this is not reached, and the next read opens a new connection.
            readers.idle.lock().push(connection);
            Ok(value)
        });
        let outcome: Result<T, Source> = match read.await {
            Ok(outcome) => outcome.map_err(|error: rusqlite::Error| error.into()),
            Err(ended) => Err(ended.into()),
        };
        outcome.map_err(EngineError)
    }

    /// Closes the idle connections, so that the writer's connection is the last one and leaves a single tidy file.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle.lock().clear();
    }
}

/// The value of a key.
pub(super) fn metadata(connection: &Connection, key: &str) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut select = connection.prepare_cached("SELECT value, checksum FROM metadata WHERE key = ?1")?;
    let found = select.query_row([key], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))).optional()?;
    found.map(|(value, expected)| verified(key, value, expected)).transpose()
}

/// Sets a key, or removes it if `value` is `None`.
pub(super) fn set_metadata(connection: &Connection, key: &str, value: Option<&[u8]>) -> rusqlite::Result<()> {
    match value {
        Some(value) => connection
            .prepare_cached("INSERT OR REPLACE INTO metadata (key, value, checksum) VALUES (?1, ?2, ?3)")?
            .execute(rusqlite::params![key, value, covering(key, value)])?,
        None => connection.prepare_cached("DELETE FROM metadata WHERE key = ?1")?.execute([key])?,
    };
    Ok(())
}

/// The keys with this prefix and their values. It reads all rows, so that a row whose key is damaged is not missed.
pub(super) fn metadata_below(connection: &Connection, prefix: &str) -> rusqlite::Result<Vec<(String, Vec<u8>)>> {
    let mut select = connection.prepare_cached("SELECT key, value, checksum FROM metadata ORDER BY key")?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        let value = verified(&key, row.get(1)?, row.get(2)?)?;
        if key.starts_with(prefix) {
            found.push((key, value));
        }
    }
    Ok(found)
}

fn covering(key: &str, value: &[u8]) -> u32 {
    checksum(&[key.as_bytes(), &[0], value].concat())
}

fn verified(key: &str, value: Vec<u8>, expected: i64) -> rusqlite::Result<Vec<u8>> {
    if i64::from(covering(key, &value)) == expected {
        return Ok(value);
    }
    Err(corrupt(format!("the row {key:?} of the table \"metadata\" is damaged: its checksum does not match")))
}
