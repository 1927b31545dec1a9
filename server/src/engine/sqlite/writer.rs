//! The one writer: a thread that turns appends into transactions.
//!
//! Group commit needs no timer. While one transaction waits for its fsync, appends queue; the next one takes them all. Alone, an
//! append waits for nothing but its own fsync.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Shared,
    builder::Retention,
    checkpoint::Checkpoint,
    log::{Position, Stored},
};
use crate::{
    engine::{AppendError, Receipt},
    record::Record,
};

/// A transaction takes no further append once it has this many records, so that the first waits no longer than some tens of
/// milliseconds for the last.
const GROUP_RECORDS: usize = 4_096;
/// Nor once it has this many bytes.
const GROUP_BYTES: usize = 8 << 20;
/// The least that a transaction may trim; more when it appends more, so that trimming keeps up.
const TRIM: usize = 1_000;

/// What a caller is told.
type Outcome = Result<Vec<Receipt>, AppendError>;

/// One caller's entries: all or none.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) entries: Vec<Stored>,
    pub(super) reply: oneshot::Sender<Outcome>,
}

/// What the writer is asked to do.
pub(super) enum Job {
    Append(Append),
    /// Anything else that has to be written.
    Run(Box<dyn FnOnce(&Connection) + Send>),
}

/// A transaction that was not acknowledged.
#[derive(Debug)]
struct Failure {
    error: Arc<rusqlite::Error>,
    /// Whether it certainly left nothing behind.
    certain: bool,
}

impl From<rusqlite::Error> for Failure {
    /// Before the commit: the transaction is rolled back.
    fn from(error: rusqlite::Error) -> Self {
        Self { error: Arc::new(error), certain: true }
    }
}

impl Failure {
    /// The commit itself. When the disk is full or somebody else writes, its last frame was not written; when an fsync fails, it
    /// may be on the disk all the same, and a crash right now would bring it back.
    fn at_commit(error: rusqlite::Error) -> Self {
        let certain = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy));
        Self { error: Arc::new(error), certain }
    }

    fn tell(&self) -> AppendError {
        let source = Box::new(self.error.clone());
        if self.certain { AppendError::Refused(source) } else { AppendError::Unknown(source) }
    }
}

pub(super) struct Writer {
    connection: Connection,
    retention: Retention,
    shared: Arc<Shared>,
    /// Unknown after a failure, until it is read again.
    position: Option<Position>,
    /// There is more to trim than one transaction may.
    backlog: bool,
    checkpoint: Checkpoint,
}

impl Writer {
    pub(super) fn new(connection: Connection, position: Position, retention: Retention, shared: Arc<Shared>) -> Self {
        shared.grown.send_replace(position.last.seq);
        let backlog = position.exceeds(&retention);
        Self { connection, retention, shared, position: Some(position), backlog, checkpoint: Checkpoint::default() }
    }

    /// Works until the engine is dropped and everything queued is done.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let job = if self.backlog {
                match jobs.try_recv() {
                    Ok(job) => job,
                    Err(mpsc::error::TryRecvError::Empty) => {
                        self.trim();
                        continue;
                    }
                    Err(mpsc::error::TryRecvError::Disconnected) => break,
                }
            } else {
                match jobs.blocking_recv() {
                    Some(job) => job,
                    None => break,
                }
            };
            self.serve(job, &mut jobs);
        }
        // The last connection that closes tidies up.
        self.shared.readers.close();
    }

    /// Takes what has queued, as far as one transaction goes.
    fn serve(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) {
        let mut group = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        let mut next = Some(first);
        let mut run = None;
        while let Some(job) = next {
            match job {
                Job::Append(append) => {
                    records += append.entries.len();
                    bytes += append.entries.iter().map(|stored| stored.json.len()).sum::<usize>();
                    group.push(append);
                }
                Job::Run(work) => {
                    run = Some(work);
                    break;
                }
            }
            let room = records < GROUP_RECORDS && bytes < GROUP_BYTES;
            next = if room { jobs.try_recv().ok() } else { None };
        }
        if !group.is_empty() {
            self.commit(group, bytes);
        }
        if let Some(work) = run {
            work(&self.connection);
            self.checkpoint.committed(0);
        }
        self.checkpoint.when_due(&self.connection);
    }

    fn commit(&mut self, group: Vec<Append>, bytes: usize) {
        match self.transact(&group) {
            Ok((receipts, records)) => {
                self.checkpoint.committed(bytes);
                if let Some(last) = records.last().map(|last| last.seq) {
                    // The tail first, then those who asked: an acknowledged record is one that the tail has.
                    self.shared.recent.lock().extend(records);
                    self.shared.grown.send_replace(last);
                }
                for (append, receipts) in group.into_iter().zip(receipts) {
                    // A caller that was dropped does not listen; what it appended stays.
                    let _ = append.reply.send(Ok(receipts));
                }
            }
            Err(failure) => {
                tracing::warn!(error = %failure.error, certain = failure.certain, "an append failed");
                self.give_up();
                self.checkpoint.make_room();
                for append in group {
                    let _ = append.reply.send(Err(failure.tell()));
                }
            }
        }
    }

    /// One transaction for all of them.
    fn transact(&mut self, group: &[Append]) -> Result<(Vec<Vec<Receipt>>, Vec<Record>), Failure> {
        let mut position = self.position()?;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut committed = Vec::new();
        let mut all = Vec::with_capacity(group.len());
        for append in group {
            let mut receipts = Vec::with_capacity(append.entries.len());
            for stored in &append.entries {
                let (receipt, record) = position.append(&self.connection, stored)?;
                receipts.push(receipt);
                committed.extend(record);
            }
            all.push(receipts);
        }
        position.trim(&self.connection, &self.retention, TRIM.max(2 * committed.len()))?;
        self.connection.prepare_cached("COMMIT")?.execute([]).map_err(Failure::at_commit)?;
        self.backlog = position.exceeds(&self.retention);
        self.position = Some(position);
        Ok((all, committed))
    }

    /// Trims a step while nothing else is to be done.
    fn trim(&mut self) {
        if let Err(failure) = self.transact(&[]) {
            tracing::warn!(error = %failure.error, "trimming the log failed");
            self.give_up();
            // Not again before an append succeeded.
            self.backlog = false;
        }
        self.checkpoint.committed(0);
        self.checkpoint.when_due(&self.connection);
    }

    /// Where the log ends, read again after a failure.
    fn position(&mut self) -> rusqlite::Result<Position> {
        if let Some(position) = &self.position {
            return Ok(position.clone());
        }
        let position = Position::load(&self.connection)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let last = position.last.seq;
        if *self.shared.grown.borrow() != last {
            // Something was committed after all; the tail reads it from the file.
            self.shared.recent.lock().clear();
            self.shared.grown.send_replace(last);
        }
        self.position = Some(position.clone());
        Ok(position)
    }

    /// Undoes what is left of a failed transaction.
    fn give_up(&mut self) {
        self.position = None;
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "rolling back failed");
        }
    }
}

/// The last sequence number committed; tails wait for it to grow.
pub(super) type Grown = watch::Sender<u64>;
