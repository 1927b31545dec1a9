//! The log in an SQLite database: durable on one machine.
//!
//! | module | does |
//! |---|---|
//! | `builder` | what is kept; opening |
//! | `lock`, `schema`, `error` | exclusive use; the tables, and whether a file is ours; what went wrong |
//! | `writer` | the one thread that writes: group commit |
//! | `log` | appending to the end and trimming the front, as SQL |
//! | `checkpoint` | copies the write-ahead log into the file, behind the callers' backs |
//! | `recent`, `reader` | the last records in memory; any others from the file, off the runtime's threads |

mod builder;
mod checkpoint;
mod error;
mod lock;
mod log;
mod reader;
mod recent;
mod schema;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
};

use async_trait::async_trait;
pub use builder::SqliteBuilder;
pub use error::{OpenError, OpenErrorKind};
use futures_util::{StreamExt, stream, stream::BoxStream};
use lock::Lock;
use log::Stored;
use parking_lot::Mutex;
use reader::Readers;
use recent::Recent;
use tokio::sync::{mpsc, oneshot};
use writer::{Append, Grown, Job, Writer};

use super::{AppendError, Bounds, Engine, EngineError, Limit, Metadata, Receipt};
use crate::record::{Entry, Record};

/// How many appends queue at most; further ones wait before they hand anything over.
const QUEUE: usize = 1_024;
/// How far one item of the tail goes.
const TAIL_PAGE: Limit = Limit { records: 1_000, bytes: 4 << 20 };

/// A log in an SQLite database: durable on one machine. Behind the feature `sqlite`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # std::env::set_current_dir(&directory)?;
/// use tidings::{Hub, engine::Sqlite};
/// let hub = Hub::builder().engine(Sqlite::open("tidings.db")?).build().await?;
/// # Ok(()) }
/// ```
///
/// # What it promises
///
/// - **An acknowledged append is on the disk**: it was written to the write-ahead log and fsynced (`synchronous=FULL`; on macOS
///   `fullfsync`). After a crash of the process or the machine the log opens with the same epoch and everything acknowledged.
/// - One thread writes. Appends that come while it waits for the disk share the next fsync, so a batch, or many tasks, get a
///   multiple of what one at a time gets.
/// - **Retried keys**: a key is known as long as its record is kept (see [`SqliteBuilder`]), across restarts: it stands in
///   an index beside the record, nothing has to be rebuilt.
/// - Space of trimmed records is used again; the file does not shrink by itself (`VACUUM` it while no hub has it open).
/// - Tags are a chained checksum. It is verified whenever records are read from the file, so a damaged record is an error and
///   is never delivered; and a log that was restored from a backup is told from the one that clients had read.
///
/// # When the disk is full
///
/// Appends fail as [`AppendError::Refused`], reading goes on, and the next append after there is room succeeds. Where even
/// the fsync failed, it is [`AppendError::Unknown`].
///
/// # Who else may use the file
///
/// One engine has it open at a time, which a lock on `<file>-lock` ensures; a second one is told
/// [`OpenErrorKind::Locked`] at once. Any SQLite tool may read it meanwhile (`sqlite3 -readonly tidings.db`): the tables
/// are `records`, whose `entry` is JSON, `log` and `metadata`. Do not write to it. It belongs on a local disk, as
/// write-ahead logs do not work over a network.
///
/// Dropping it finishes what is queued, which takes a few fsyncs, and closes the file.
#[derive(Debug)]
pub struct Sqlite {
    /// Taken when it is dropped, which ends the writer.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What the handle, the writer and the tails share.
#[derive(Debug)]
struct Shared {
    readers: Arc<Readers>,
    recent: Mutex<Recent>,
    grown: Grown,
}

impl Sqlite {
    /// Opens the log in this file with the default [retention](SqliteBuilder), or creates it.
    ///
    /// # Errors
    ///
    /// [`OpenError`], at once: the file is in use, not ours, too new, damaged, or out of reach.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder(path).open()
    }

    /// Sets what is kept before opening.
    pub fn builder(path: impl AsRef<Path>) -> SqliteBuilder {
        SqliteBuilder::new(path.as_ref().to_owned())
    }

    /// The file, by its absolute name.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared.readers.path()
    }

    fn start(path: PathBuf, lock: Lock, writer: impl FnOnce(Arc<Shared>) -> Writer) -> io::Result<Self> {
        let readers = Arc::new(Readers::new(path));
        let shared = Arc::new(Shared { readers, recent: Mutex::default(), grown: Grown::new(0) });
        let writer = writer(shared.clone());
        let (jobs, queue) = mpsc::channel(QUEUE);
        let work = move || {
            writer.run(queue);
            // Only now may another engine open the file.
            drop(lock);
        };
        let writer = std::thread::Builder::new().name("tidings-sqlite".into()).spawn(work)?;
        Ok(Self { jobs: Some(jobs), writer: Some(writer), shared })
    }

    /// Hands the writer a job, when there is room in the queue.
    async fn submit(&self, job: Job) -> Result<(), EngineError> {
        let jobs = self.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(job).await.map_err(|_| ended())
    }

    /// Runs `work` on the writer's connection, between two transactions.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (reply, answer) = oneshot::channel();
        let job = Job::Run(Box::new(move |connection| {
            let _ = reply.send(work(connection));
        }));
        self.submit(job).await?;
        let outcome = answer.await.map_err(|_| ended())?;
        outcome.map_err(|error| EngineError(error.into()))
    }
}

fn ended() -> EngineError {
    EngineError("the writer has ended".into())
}

impl Drop for Sqlite {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take() {
            // It ends by itself. Had it panicked, there would be nothing left to do.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn append(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<Receipt>, AppendError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        // Here and not in the writer, whose time everybody shares.
        let entries = entries.into_iter().map(|entry| Stored { json: entry.to_bytes(), entry }).collect();
        let (reply, answer) = oneshot::channel();
        let submitted = self.submit(Job::Append(Append { entries, reply })).await;
        submitted.map_err(|EngineError(source)| AppendError::Refused(source))?;
        answer.await.unwrap_or_else(|ended| Err(AppendError::Unknown(ended.into())))
    }

    fn tail(&self, from: u64) -> BoxStream<'static, Result<Vec<Record>, EngineError>> {
        let grown = self.shared.grown.subscribe();
        // The tail holds the log only while it reads, so that dropping the engine ends it.
        let state = (Arc::downgrade(&self.shared), grown, Some(from.max(1)));
        stream::unfold(state, |(log, mut grown, from)| async move {
            let from = from?;
            grown.wait_for(|last| *last >= from).await.ok()?;
            let shared = log.upgrade()?;
            let recent = shared.recent.lock().from(from, TAIL_PAGE.records);
            let page = match recent {
                Some(records) => Ok(records),
                None => shared.readers.read(move |connection| reader::page(connection, from - 1, TAIL_PAGE)).await,
            };
            let item = page.and_then(|records| match (records.first(), records.last()) {
                (Some(first), Some(last)) if first.seq == from => Ok((last.seq + 1, records)),
                _ => Err(EngineError("the tail fell behind the log's trimming".into())),
            });
            Some(match item {
                Ok((next, records)) => (Ok(records), (log, grown, Some(next))),
                Err(error) => (Err(error), (log, grown, None)),
            })
        })
        .boxed()
    }

    async fn read(&self, after: u64, limit: Limit) -> Result<Vec<Record>, EngineError> {
        self.shared.readers.read(move |connection| reader::page(connection, after, limit)).await
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        self.shared.readers.read(reader::bounds).await
    }

    fn metadata(&self) -> &dyn Metadata {
        self
    }
}

#[async_trait]
impl Metadata for Sqlite {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let key = key.to_owned();
        self.shared.readers.read(move |connection| reader::metadata(connection, &key)).await
    }

    async fn put(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), EngineError> {
        let key = key.to_owned();
        let put = move |connection: &rusqlite::Connection| match value {
            Some(value) => connection
                .prepare_cached("INSERT OR REPLACE INTO metadata (key, value) VALUES (?1, ?2)")?
                .execute(rusqlite::params![key, value]),
            None => connection.prepare_cached("DELETE FROM metadata WHERE key = ?1")?.execute([key]),
        };
        self.write(put).await.map(|_| ())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let prefix = prefix.to_owned();
        self.shared.readers.read(move |connection| reader::metadata_below(connection, &prefix)).await
    }
}
