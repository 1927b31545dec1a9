//! The one writer: a thread that turns appends into transactions.
//!
//! Group commit needs no timer. While one transaction waits for its fsync, appends queue; the next one takes them all. Alone, an
//! append waits for nothing but its own fsync. A step of trimming is a transaction of its own, between two groups.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{
    mpsc::{self, error::TryRecvError},
    oneshot,
};

use super::{
    Shared,
    base::Base,
    checkpoint::Checkpoint,
    error::{CORRUPT, condition, is_corrupt},
    files::Astray,
    lock::Lock,
    log::{Position, Stored},
    trim::{self, Keeps},
};
use crate::{
    engine::{AgeClock, AppendError, EngineError, Receipt, Trim, backlog::Waiting},
    record::Record,
};

/// A transaction takes no further append once it has this many records, so that the first waits no longer than some tens of
/// milliseconds for the last.
const GROUP_RECORDS: usize = 4_096;
/// Nor once it has this many bytes.
const GROUP_BYTES: usize = 8 << 20;
/// The least that a step of trimming may remove; twice what was appended since the last one where that is more, so that trimming
/// keeps up;
const TRIM: u64 = 1_000;
/// and the most, so that appends wait for some tens of milliseconds at most.
const TRIM_MOST: u64 = 10_000;
/// How far the stored clock may lag behind while nothing leaves: after a restart, records age by so much later.
const CLOCK_LAG: u64 = 60_000;

/// What a caller is told.
type Outcome = Result<Vec<Receipt>, AppendError>;

/// One caller's entries: all or none.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) entries: Vec<Stored>,
    /// After this they are not to be stored.
    pub(super) deadline: Instant,
    /// Set by whoever is first: the writer, which stores them, or the caller, who waits no longer.
    pub(super) claimed: Arc<AtomicBool>,
    /// The writer was first.
    pub(super) is_ours: bool,
    pub(super) reply: oneshot::Sender<Outcome>,
    /// Its room in the queue, which it gives back however it ends.
    pub(super) waiting: Waiting,
}

/// What the writer is asked to do.
pub(super) enum Job {
    Append(Append),
    /// Anything else that has to be written.
    Run(Box<dyn FnOnce(&mut Connection) + Send>),
    /// To look whether a step of trimming is asked for.
    Trim,
    /// To end, when all that was asked before is done.
    Close,
}

/// The deadline passed before the writer got to it.
#[derive(Debug, thiserror::Error)]
#[error("its deadline has passed")]
pub(super) struct Late;

/// Why a transaction failed; told to everybody whose appends were in it.
#[derive(Debug, Clone, thiserror::Error)]
enum Cause {
    #[error(transparent)]
    Sqlite(Arc<rusqlite::Error>),
    #[error(transparent)]
    Astray(Arc<Astray>),
}

/// A transaction that was not acknowledged.
#[derive(Debug)]
struct Failure {
    error: Cause,
    /// Whether it certainly left nothing behind.
    certain: bool,
    /// Under which name it is complained of.
    condition: &'static str,
}

impl From<rusqlite::Error> for Failure {
    /// Before the commit: the transaction is rolled back.
    fn from(error: rusqlite::Error) -> Self {
        Self { condition: condition(&error), error: Cause::Sqlite(Arc::new(error)), certain: true }
    }
}

impl Failure {
    /// The commit itself. When the disk is full or somebody else writes, its last frame was not written; when an fsync fails, it
    /// may be on the disk all the same, and a crash right now would bring it back.
    fn at_commit(error: rusqlite::Error) -> Self {
        let certain = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy));
        Self { certain, ..error.into() }
    }

    /// SQLite writes to files that nobody finds any more.
    fn astray(error: Astray) -> Self {
        Self { condition: "astray", error: Cause::Astray(Arc::new(error)), certain: true }
    }

    fn tell(&self) -> AppendError {
        let source = Box::new(self.error.clone());
        if self.certain { AppendError::Refused(source) } else { AppendError::Unknown(source) }
    }
}

/// What the writer's thread works with.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) keeps: Keeps,
    pub(super) shared: Arc<Shared>,
    /// Held until the writer has ended: only then may another engine open the file.
    pub(super) lock: Lock,
    /// By which records age, with the wall clock that it follows.
    pub(super) clock: AgeClock,
    pub(super) wall: fn() -> u64,
    /// Unknown after a failure, until it is read again.
    pub(super) position: Option<Position>,
    pub(super) checkpoint: Checkpoint,
    /// Since the last step of trimming.
    pub(super) appended: u64,
    /// Where the headers of rows are made.
    pub(super) header: Vec<u8>,
}

impl Writer {
    /// Works until the engine is dropped or closed, and everything queued is done.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            // Several steps of trimming may be asked for while one group is taken, and one is taken after each.
            let is_asked = !self.shared.trims.lock().is_empty();
            let job = if is_asked { jobs.try_recv() } else { jobs.blocking_recv().ok_or(TryRecvError::Disconnected) };
            let goes_on = match job {
                Ok(job) => self.serve(job, &mut jobs),
                Err(TryRecvError::Empty) => true,
                Err(TryRecvError::Disconnected) => false,
            };
            if !goes_on {
                break;
            }
            self.trim();
            self.checkpoint.when_due(&self.connection, &self.shared);
        }
        // The last connection that closes tidies up.
        self.shared.readers.close();
    }

    /// Takes what has queued, as far as one transaction goes; whether to go on.
    fn serve(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> bool {
        let mut group = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        let mut next = Some(first);
        let mut run = None;
        let mut goes_on = true;
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
                Job::Trim => {}
                Job::Close => {
                    goes_on = false;
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
            work(&mut self.connection);
            self.checkpoint.committed(0);
        }
        goes_on
    }

    fn commit(&mut self, mut group: Vec<Append>, bytes: usize) {
        let failure = match self.transact(&mut group) {
            Ok(done) => return self.acknowledge(group, done, bytes),
            Err(failure) => failure,
        };
        self.give_up();
        // It may have failed because the files are not what they were, and nothing is written to such.
        self.shared.look_at_files_again();
        let failure = match self.shared.check_files() {
            Ok(()) => failure,
            Err(astray) if failure.certain => Failure::astray(astray),
            Err(_) => failure,
        };
        if failure.condition != "astray" {
            self.checkpoint.make_room();
        }
        if failure.condition == CORRUPT && group.len() > 1 {
            // Where one meets damage, the others need not suffer for it.
            for append in group {
                let bytes = append.entries.iter().map(|stored| stored.json.len()).sum();
                self.commit(vec![append], bytes);
            }
            return;
        }
        self.shared.complain(failure.condition, &failure.error, "an append failed");
        for append in group {
            drop(append.waiting);
            let _ = append.reply.send(Err(failure.tell()));
        }
    }

    /// Tells everybody what became of a transaction that was committed.
    fn acknowledge(&mut self, group: Vec<Append>, done: Done, bytes: usize) {
        let Done { receipts, records, position } = done;
        self.checkpoint.committed(bytes);
        let (epoch, last, has_grown) = (position.base.epoch, position.last, !records.is_empty());
        if has_grown {
            self.appended += records.len() as u64;
            // The tail first, then those who asked: an acknowledged record is one that the tail has.
            self.shared.recent.lock().extend(records);
            self.shared.grow(position.end());
        }
        self.position = Some(position);
        for (append, receipts) in group.into_iter().zip(receipts) {
            // Before its caller can come with the next.
            drop(append.waiting);
            // A caller that was dropped does not listen; what it appended stays.
            let _ = append.reply.send(receipts.ok_or_else(|| AppendError::Refused(Late.into())));
        }
        // While they wake up.
        if has_grown && let Err(error) = self.lock.acknowledge(epoch, last) {
            self.shared.complain("lock file", &error, "how far the log is acknowledged could not be noted");
        }
    }

    /// One transaction for all of them.
    fn transact(&mut self, group: &mut [Append]) -> Result<Done, Failure> {
        self.shared.check_files().map_err(Failure::astray)?;
        let mut position = self.position()?.clone();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // Somebody else may have kept us waiting for some seconds.
        let now = Instant::now();
        let mut insert = Position::insert(&self.connection)?;
        let mut records = Vec::new();
        let mut all = Vec::with_capacity(group.len());
        for append in group {
            append.is_ours = now < append.deadline && (append.is_ours || !append.claimed.swap(true, Ordering::AcqRel));
            if !append.is_ours {
                all.push(None);
                continue;
            }
            let mut receipts = Vec::with_capacity(append.entries.len());
            for stored in &append.entries {
                let (receipt, record) = position.append(&self.connection, &mut insert, stored, &mut self.header)?;
                receipts.push(receipt);
                records.extend(record);
            }
            all.push(Some(receipts));
        }
        drop(insert);
        self.connection.prepare_cached("COMMIT")?.execute([]).map_err(Failure::at_commit)?;
        Ok(Done { receipts: all, records, position })
    }

    /// Takes a step of trimming, where one is asked for.
    fn trim(&mut self) {
        let Some(reply) = self.shared.trims.lock().pop_front() else { return };
        let outcome = self.trim_step().map_err(|failure| {
            self.shared.complain(failure.condition, &failure.error, "trimming the log failed");
            self.give_up();
            EngineError(failure.error.into())
        });
        self.checkpoint.committed(0);
        let _ = reply.send(outcome);
    }

    fn trim_step(&mut self) -> Result<Trim, Failure> {
        self.shared.check_files().map_err(Failure::astray)?;
        let position = self.position()?.clone();
        let now = self.clock.follow((self.wall)());
        let most = TRIM.max(self.appended.saturating_mul(2)).min(TRIM_MOST);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let has_summary = !self.shared.has_no_summary.load(Ordering::Acquire);
        let step = match trim::step(&transaction, &position, &self.keeps, now, most, has_summary) {
            Err(error) if is_corrupt(&error) && has_summary => {
                drop(transaction);
                self.shared.has_no_summary.store(true, Ordering::Release);
                self.shared.tell_summary(&error);
                return self.trim_step();
            }
            step => step?,
        };
        let Some(step) = step else {
            if now > position.base.clock.saturating_add(CLOCK_LAG) {
                let base = Base { clock: now, ..position.base };
                base.store(&transaction)?;
                transaction.commit().map_err(Failure::at_commit)?;
                self.position = Some(Position { base, ..position });
            }
            return Ok(Trim { removed: 0, more: false });
        };
        transaction.commit().map_err(Failure::at_commit)?;
        self.appended = 0;
        if let Some(lost) = step.lost {
            self.shared.tell_lost(position.base.mark.seq + 1, lost);
        }
        if let Some(error) = &step.left_behind {
            self.shared.complain(
                "left behind",
                error,
                "records that have left the log could not be deleted; they take up room",
            );
        }
        self.position = Some(step.position);
        Ok(step.trim)
    }

    /// Where the log ends, read again after a failure.
    fn position(&mut self) -> rusqlite::Result<&Position> {
        let position = match self.position.take() {
            Some(position) => position,
            None => {
                let position = Position::load(&self.connection, |epoch| self.lock.acknowledged(epoch))?.position;
                if self.shared.end() != position.end() {
                    // Something was committed after all; the tail reads it from the file.
                    self.shared.recent.lock().clear();
                    self.shared.grow(position.end());
                }
                position
            }
        };
        Ok(self.position.insert(position))
    }

    /// Undoes what is left of a failed transaction.
    fn give_up(&mut self) {
        self.position = None;
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            self.shared.complain("rolling back", &error, "rolling back failed");
        }
    }
}

/// A transaction that was committed.
struct Done {
    /// Of each append, unless it came too late.
    receipts: Vec<Option<Vec<Receipt>>>,
    records: Vec<Record>,
    position: Position,
}
