//! Reading, on connections of its own, off the runtime's threads.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::Semaphore;

use super::{log, schema};
use crate::{
    engine::{Bounds, EngineError, Limit, Source},
    record::{Entry, Record},
};

/// The most reads at the same time. Reading is processor time and page cache: more at once would not be more a second.
const READERS: usize = 4;

/// Connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

/// A record that is not what was written.
#[derive(Debug, thiserror::Error)]
enum Damaged {
    #[error("record {0} is missing")]
    Missing(u64),
    #[error("record {0} does not fit its checksum")]
    Checksum(u64),
    #[error("record {0} is not an entry")]
    Entry(u64, #[source] serde_json::Error),
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, turns: Arc::new(Semaphore::new(READERS)), idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `work` on a connection and a thread where it may wait for the disk. A caller that is dropped stops nothing half-way.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection) -> Result<T, Source> + Send + 'static,
    ) -> Result<T, EngineError> {
        let readers = self.clone();
        let turn = self.turns.clone().acquire_owned().await.map_err(|closed| EngineError(closed.into()))?;
        let read = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let idle = readers.idle.lock().pop();
            let connection = idle.map_or_else(|| schema::connect_reader(&readers.path), Ok)?;
            let value = work(&connection)?;
            // Not reached after an error: then the next read starts from a new connection.
            readers.idle.lock().push(connection);
            Ok(value)
        });
        read.await.unwrap_or_else(|ended| Err(ended.into())).map_err(EngineError)
    }

    /// Closes the connections at rest, so that the writer's is the last one and leaves one tidy file.
    pub(super) fn close(&self) {
        self.turns.close();
        self.idle.lock().clear();
    }
}

/// The records after `after`, each checked against its predecessor's tag.
pub(super) fn page(connection: &Connection, after: u64, limit: Limit) -> Result<Vec<Record>, Source> {
    // Beyond what SQLite can number there is nothing.
    let (Ok(from), Ok(count)) = (i64::try_from(after), i64::try_from(limit.records.min(1 << 32))) else {
        return Ok(Vec::new());
    };
    // One transaction, so that both statements see the same log.
    let transaction = connection.unchecked_transaction()?;
    let mut before = transaction.prepare_cached(
        "SELECT tag FROM records WHERE seq = ?1 UNION ALL SELECT tag FROM log WHERE seq = ?1 LIMIT 1",
    )?;
    let mut previous: Option<u32> = before.query_row([from], |row| row.get(0)).optional()?;
    let mut select =
        transaction.prepare_cached("SELECT seq, tag, entry FROM records WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
    let mut rows = select.query(params![from, count])?;
    let mut page: Vec<Record> = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        let tag = row.get(1)?;
        let json = row.get_ref(2)?.as_bytes()?;
        let expected = page.last().map_or(after, |last| last.seq) + 1;
        if seq != expected && previous.is_some() {
            return Err(Damaged::Missing(expected).into());
        }
        if previous.is_some_and(|previous| log::chain(previous, json) != tag) {
            return Err(Damaged::Checksum(seq).into());
        }
        let entry = Entry::from_bytes(json).map_err(|error| Damaged::Entry(seq, error))?;
        bytes += entry.payload.get().len();
        page.push(Record { seq, tag, entry: Arc::new(entry) });
        previous = Some(tag);
        if bytes >= limit.bytes {
            break;
        }
    }
    Ok(page)
}

/// Where the log begins and ends.
pub(super) fn bounds(connection: &Connection) -> Result<Bounds, Source> {
    let mut select =
        connection.prepare_cached("SELECT epoch, seq, tag, (SELECT max(seq) FROM records) FROM log WHERE id = 1")?;
    let bounds = select.query_row([], |row| {
        let base = row.get::<_, i64>(1)?;
        let last = row.get::<_, Option<i64>>(3)?.unwrap_or(base);
        Ok(Bounds {
            epoch: row.get(0)?,
            first: base.cast_unsigned() + 1,
            last: last.cast_unsigned(),
            base_tag: row.get(2)?,
        })
    })?;
    Ok(bounds)
}

/// The value of a key.
pub(super) fn metadata(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>, Source> {
    let mut select = connection.prepare_cached("SELECT value FROM metadata WHERE key = ?1")?;
    Ok(select.query_row([key], |row| row.get(0)).optional()?)
}

/// The keys that begin with this, and their values.
pub(super) fn metadata_below(connection: &Connection, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, Source> {
    // Text is ordered by its bytes, so what begins with the prefix stands together.
    let mut select = connection.prepare_cached("SELECT key, value FROM metadata WHERE key >= ?1 ORDER BY key")?;
    let mut rows = select.query([prefix])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let key: String = row.get(0)?;
        if !key.starts_with(prefix) {
            break;
        }
        found.push((key, row.get(1)?));
    }
    Ok(found)
}
