//! The log in an SQLite database: durable on one machine.
//!
//! | module | does |
//! |---|---|
//! | `builder` | the settings; opening |
//! | `schema`, `base`, `row`, `error` | the tables, and whether a file is a log; the content and checksums of a row; errors |
//! | `lock`, `files` | exclusive use, and how far the log was acknowledged; whether its files are still those that were opened |
//! | `shared` | the state that handles, writer and tails share |
//! | `writer`, `checkpoint` | the one thread that writes: group commit, and copying the write-ahead log into the file afterwards |
//! | `log`, `trim` | appending to the end and trimming the front, as SQL |
//! | `summary`, `tags` | what is kept of trimmed records |
//! | `reader`, `snapshot`, `page` | reading off the runtime's threads; the log at one moment; a page of it |
//! | `damage`, `place` | the extent of damage; a damaged part |
//! | `recent`, `tail` | the last records in memory; following the log |

mod base;
mod builder;
mod checkpoint;
mod damage;
mod error;
mod files;
mod lock;
mod log;
mod page;
mod place;
mod reader;
mod recent;
mod row;
mod schema;
mod shared;
mod snapshot;
mod summary;
mod tags;
mod tail;
#[cfg(test)]
mod tests;
mod trim;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use async_trait::async_trait;
pub use builder::SqliteBuilder;
pub use error::{OpenError, OpenErrorKind};
use log::Stored;
use parking_lot::Mutex;
use shared::{End, Shared, ended};
use tidings_protocol::Cursor;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};
use writer::{Append, Job, Late, Writer};

use super::{
    AppendError, Bounds, Engine, EngineError, Limit, Location, Metadata, ReadError, Receipt, RoutingKey, Tail, Trim,
    backlog::Backlog,
};
use crate::record::{Entry, Record};

/// How many appends the queue holds. Further ones wait before they hand anything over.
const QUEUE: usize = 1_024;

/// A log in an SQLite database: durable on one machine. Behind the feature `sqlite`. Clones are handles of one log,
/// which several hubs in one process may use.
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
/// - **An acknowledged append is on the disk**: it was written to the write-ahead log and fsynced (`synchronous=FULL`;
///   on macOS `fullfsync`). After a crash of the process or the machine the log opens with the same epoch and every
///   acknowledged record.
/// - One thread writes. Appends that arrive while it waits for the disk share the next fsync, so a batch, or many
///   tasks, reach a multiple of the rate of single appends. An append whose deadline passes before its transaction
///   begins is refused. A commit that has begun is finished, and the append is [`AppendError::Unknown`] if that takes
///   longer than the deadline.
/// - **Retried keys**: a key is known as long as its record is kept (see [`SqliteBuilder`]), across restarts: it is in
///   an index beside the record, and nothing has to be rebuilt.
/// - **Trimming** is a transaction of its own, of at most 10,000 records. Records age by a clock that is stored with
///   the log: a wall clock that jumps ahead for a moment trims nothing, nor does one that was wrong during a restart.
/// - The space of trimmed records is reused. The file does not shrink by itself (`VACUUM` it while no hub has it open).
///
/// # When the disk is full
///
/// Appends fail as [`AppendError::Refused`], reading continues, and the first append after space was freed succeeds. If
/// even the fsync failed, the append is [`AppendError::Unknown`].
///
/// # When events come faster than the disk takes them
///
/// Appends wait in a queue of up to [`SqliteBuilder::backlog_bytes`]. Further ones fail at once as
/// [`AppendError::Overloaded`].
///
/// # What damage does
///
/// Each record's tag is a checksum that is chained to its predecessor's, and each row has a second checksum over its
/// other columns. Both are verified when a record is read from the file, and when it is trimmed.
///
/// | damaged | effect |
/// |---|---|
/// | a record | All records before it are delivered; then its possible receivers receive `gap`, and the log continues after it. If only the entry is damaged, the row still names the channels and users it was for, and no other stream receives the gap. |
/// | rows or pages of `records`, also by a bad sector, which the disk answers with `EIO` | The same, for all streams. |
/// | a column that reading does not need (key, timestamp, bytes, header) | Nothing is lost. The damage is found when the record is trimmed. |
/// | the end of the log: the write-ahead log, the last pages, or an older copy put in place | The file `-lock` says how far the log was acknowledged. Records missing up to there count as damaged, and their numbers are not reused. |
/// | the index of keys | Appends that meet the damage are refused. A key that the index has lost is unknown, so a retry of its append is stored a second time. `PRAGMA integrity_check` finds the damage, as does trimming the record; `REINDEX` rebuilds the index from the records. |
/// | the summary of trimmed records (`summary`, `tags`) | Clients that resume from before the log's beginning receive `gap`. |
/// | a row of `metadata` | Calls that meet it fail, and a hub does not start, because it would not know what was revoked. |
/// | the first page, the table `log` | The file is not opened: [`OpenErrorKind::Corrupt`], `Foreign` if it is no longer recognized as a log, or `Newer`. |
/// | a file of the log that was removed, replaced or truncated while a hub runs | From the next append on (unless within the same millisecond), appends are refused and reads fail, so that the hub is unhealthy. |
///
/// Log lines (crate `tracing`): `error!` for damage, with the file, the numbers and a remedy, once per place; `warn!`
/// for failing appends and reads. A lasting condition (a full disk, no more file descriptors) is logged once and then
/// at most once a minute, with the number of failures that were left out.
///
/// # Inspecting, copying and repairing the file
///
/// Only one engine can have the file open, which a lock on `<file>-lock` ensures. A second one, in this process or
/// another, fails at once with [`OpenErrorKind::Locked`]. Any SQLite tool may read the file meanwhile:
///
/// ```text
/// sqlite3 -readonly tidings.db "SELECT seq, entry ->> '$.channel', entry ->> '$.payload' FROM records ORDER BY seq DESC LIMIT 10"
/// sqlite3 -readonly tidings.db "PRAGMA integrity_check"     # prints ok, or what is damaged
/// sqlite3 -readonly tidings.db ".backup copy.db"            # a copy while the hub runs
/// ```
///
/// Run `PRAGMA integrity_check` as often as you would scrub the disk, on a copy if the hub is busy. It reads the whole
/// file, including parts that no hub reads again, and compares the index of keys with the records.
///
/// Do not write to the file with other tools. Keep it on a local disk, because write-ahead logs do not work over a
/// network. To restore a copy, make sure that no hub has the log open, remove `-wal` and `-shm`, and keep `-lock`, by
/// which the hub knows which clients miss what the copy lacks. `sqlite3 tidings.db REINDEX` rebuilds a damaged index. A
/// damaged row of `metadata` has to be deleted, and its content is lost.
///
/// Dropping the last handle, or [`close`](Engine::close), finishes the queued appends, which takes a few fsyncs, and
/// closes the file.
#[derive(Debug, Clone)]
pub struct Sqlite {
    handle: Arc<Handle>,
}

/// Ends the writer when the last clone is dropped.
#[derive(Debug)]
struct Handle {
    /// Taken when the handle is dropped, which ends the writer.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    backlog: Arc<Backlog>,
    shared: Arc<Shared>,
}

impl Sqlite {
    /// The absolute path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.shared().readers.path()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    fn start(writer: Writer, backlog_bytes: usize) -> std::io::Result<Self> {
        let shared = writer.shared.clone();
        let (jobs, queue) = mpsc::channel(QUEUE);
        // The end is reported however the thread ends, and after it has released everything.
        let ending = Ending(shared.clone());
        let work = move || {
            let _ending = ending;
            writer.run(queue);
        };
        let writer = std::thread::Builder::new().name("tidings-sqlite".into()).spawn(work)?;
        let (jobs, writer, backlog) = (Some(jobs), Mutex::new(Some(writer)), Backlog::new(backlog_bytes));
        Ok(Self { handle: Arc::new(Handle { jobs, writer, backlog, shared }) })
    }

    /// Hands the writer a job as soon as the queue has room.
    async fn submit(&self, job: Job) -> Result<(), EngineError> {
        let jobs = self.handle.jobs.as_ref().ok_or_else(ended)?;
        jobs.send(job).await.map_err(|_| ended())
    }

    /// Runs `work` on the writer's connection, between two transactions.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
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

/// Reports that the writer has ended, when it is dropped.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.trims.lock().clear();
        self.0.end.send_modify(|end| end.has_ended = true);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.get_mut().take() {
            // The writer ends by itself. If it panicked, there is nothing left to do.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Engine for Sqlite {
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let waiting = self.handle.backlog.admit(&entries)?;
        // The stored form is made here and not in the writer, because everyone shares the writer's time.
        let entries = entries.into_iter().map(Stored::from).collect();
        let (reply, answer) = oneshot::channel();
        let claimed = Arc::new(AtomicBool::new(false));
        // A deadline beyond the range of `Instant` means no deadline.
        let until = began.checked_add(deadline).unwrap_or_else(|| began + Duration::from_secs(1 << 32));
        let append = Append { entries, deadline: until, claimed: claimed.clone(), is_ours: false, reply, waiting };
        let outcome = timeout(deadline.saturating_sub(began.elapsed()), async {
            self.submit(Job::Append(append)).await.ok()?;
            answer.await.ok()
        });
        match outcome.await {
            Ok(Some(outcome)) => outcome,
            // If the caller is first, the writer never begins the append.
            failed => {
                let is_certain = !claimed.swap(true, Ordering::AcqRel);
                let source = if failed.is_err() { Late.into() } else { ended().into() };
                Err(if is_certain { AppendError::Refused(source) } else { AppendError::Unknown(source) })
            }
        }
    }

    fn tail(&self, after: Cursor) -> Tail {
        tail::tail(self.shared(), after)
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        self.shared().read(after, limit).await
    }

    // A closure is needed, because the method itself, passed as a function, would accept one lifetime only.
    #[allow(clippy::redundant_closure_for_method_calls)]
    async fn bounds(&self) -> Result<Bounds, EngineError> {
        // A log that can no longer be written to is not healthy, even if it can be read.
        self.shared().is_alive()?;
        if self.handle.jobs.as_ref().is_none_or(mpsc::Sender::is_closed) {
            return Err(ended());
        }
        self.shared().snapshot(|log| log.bounds()).await
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        self.shared().snapshot(move |log| Ok(log.tag(seq).map(|tag| log.base.at(seq, tag)))).await
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let cursors = cursors.to_vec();
        self.shared().snapshot(move |log| cursors.iter().map(|cursor| log.locate(*cursor)).collect()).await
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        let keys = keys.to_vec();
        let is_lost = self.shared().has_no_summary.load(Ordering::Acquire);
        let read = self.shared().snapshot(move |log| {
            let all = || Ok((vec![log.base.mark.seq; keys.len()], true));
            match summary::moved(log.connection, &log.base, &keys) {
                _ if is_lost => all(),
                Err(error) if error::is_corrupt(&error) => all(),
                moved => moved,
            }
        });
        let (moved, is_damaged) = read.await?;
        if is_damaged {
            let error = error::corrupt("the table \"summary\" is damaged: its checksum does not match");
            self.shared().complain(
                error::CORRUPT,
                &error,
                "streams that resume from before the log's beginning receive `gap`",
            );
        }
        Ok(moved)
    }

    async fn trim(&self) -> Result<Trim, EngineError> {
        let (reply, answer) = oneshot::channel();
        self.shared().trims.lock().push_back(reply);
        // A writer whose queue is full is busy, and looks for trimming after each transaction.
        if let Some(jobs) = &self.handle.jobs
            && let Err(mpsc::error::TrySendError::Closed(_)) = jobs.try_send(Job::Trim)
        {
            return Err(ended());
        }
        answer.await.map_err(|_| ended())?
    }

    fn metadata(&self) -> &dyn Metadata {
        self
    }

    async fn close(&self) {
        // An ended writer need not be asked.
        let _ = self.submit(Job::Close).await;
        let _ = self.shared().end.subscribe().wait_for(|end| end.has_ended).await;
        if let Some(writer) = self.handle.writer.lock().take() {
            // The writer has nothing left to do.
            let _ = writer.join();
        }
    }
}

#[async_trait]
impl Metadata for Sqlite {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        let key = key.to_owned();
        self.shared().read_metadata(move |connection| reader::metadata(connection, &key)).await
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError> {
        self.shared().check_files().map_err(|astray| EngineError(astray.into()))?;
        let (key, expected) = (key.to_owned(), expected.map(<[u8]>::to_vec));
        let swap = move |connection: &mut rusqlite::Connection| {
            let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
            if reader::metadata(&transaction, &key)? != expected {
                return Ok(false);
            }
            reader::set_metadata(&transaction, &key, value.as_deref())?;
            transaction.commit()?;
            Ok(true)
        };
        self.write(swap).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let prefix = prefix.to_owned();
        self.shared().read_metadata(move |connection| reader::metadata_below(connection, &prefix)).await
    }
}
