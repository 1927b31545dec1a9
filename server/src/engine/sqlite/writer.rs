//! The one writer: a thread that turns appends into transactions.
//!
//! Group commit needs no timer. While one transaction waits for its fsync, appends queue, and the next transaction
//! takes them all. A lone append waits for nothing but its own fsync. A step of trimming is a transaction of its own,
//! between two groups.

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

/// A transaction takes no further append once it has this many records, so that the first append waits only some tens
/// of milliseconds for the last.
const GROUP_RECORDS: usize = 4_096;
/// A transaction takes no further append once it has this many bytes either.
const GROUP_BYTES: usize = 8 << 20;
/// The least records that a step of trimming may remove. The step may remove twice the number appended since the last
/// step if that is more, so that trimming keeps up.
const TRIM: u64 = 1_000;
/// The most records that a step of trimming may remove, so that appends wait for some tens of milliseconds at most.
const TRIM_MOST: u64 = 10_000;
/// How far the stored clock may lag behind while nothing is trimmed. After a restart, records age later by that much.
const CLOCK_LAG: u64 = 60_000;

/// The answer to a caller.
type Outcome = Result<Vec<Receipt>, AppendError>;

/// One caller's entries: all or none.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) entries: Vec<Stored>,
    /// The deadline, after which the entries must not be stored.
    pub(super) deadline: Instant,
    /// Set by the first of two: the writer, which stores the entries, or the caller, who stops waiting.
    pub(super) claimed: Arc<AtomicBool>,
    /// Whether the writer was first.
    pub(super) is_ours: bool,
    pub(super) reply: oneshot::Sender<Outcome>,
    /// The room in the backlog, given back when the append ends for whatever reason.
    pub(super) waiting: Waiting,
}

/// A job for the writer.
pub(super) enum Job {
    Append(Append),
    /// Any other write.
    Run(Box<dyn FnOnce(&mut Connection) + Send>),
    /// Look whether a step of trimming is requested.
    Trim,
    /// End, after all earlier jobs are done.
    Close,
}

/// The deadline passed before the writer got to the append.
#[derive(Debug, thiserror::Error)]
#[error("the append's deadline has passed")]
pub(super) struct Late;

/// Why a transaction failed; every append of the transaction fails with it.
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
    /// Whether it is certain that nothing was stored.
    certain: bool,
    /// The condition under which the failure is logged.
    condition: &'static str,
}

impl From<rusqlite::Error> for Failure {
    /// A failure before the commit: the transaction is rolled back.
    fn from(error: rusqlite::Error) -> Self {
        Self { condition: condition(&error), error: Cause::Sqlite(Arc::new(error)), certain: true }
    }
}

impl Failure {
    /// A failure of the commit itself. If the disk is full or another program is writing, the last frame was not
    /// written. If an fsync failed, the transaction may be on the disk all the same, and a crash right now would bring
    /// it back.
    fn at_commit(error: rusqlite::Error) -> Self {
        let certain = matches!(error.sqlite_error_code(), Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy));
        Self { certain, ..error.into() }
    }

    /// SQLite writes to files that their names no longer lead to.
    fn astray(error: Astray) -> Self {
        Self { condition: "astray", error: Cause::Astray(Arc::new(error)), certain: true }
    }

    fn tell(&self) -> AppendError {
        let source = Box::new(self.error.clone());
        if self.certain { AppendError::Refused(source) } else { AppendError::Unknown(source) }
    }
}

/// The state of the writer's thread.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) keeps: Keeps,
    pub(super) shared: Arc<Shared>,
    /// Held until the writer has ended: only then may another engine open the file.
    pub(super) lock: Lock,
    /// The clock by which records age, and the wall clock that it follows.
    pub(super) clock: AgeClock,
    pub(super) wall: fn() -> u64,
    /// Unknown after a failure, until it is read again.
    pub(super) position: Option<Position>,
    pub(super) checkpoint: Checkpoint,
    /// The number of records appended since the last step of trimming.
    pub(super) appended: u64,
    /// A buffer for the headers of rows.
    pub(super) header: Vec<u8>,
}

impl Writer {
    /// Works until the engine is dropped or closed and every queued job is done.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        loop {
            // Several steps of trimming may be requested while one group is committed; one is taken after each group.
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
        // The last connection that closes cleans up, and it must be the writer's.
        self.shared.readers.close();
    }

    /// Takes the queued appends, as far as one transaction goes. Returns whether to continue.
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
        // The transaction may have failed because the files were replaced, and such files must not be written to.
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
            // If one append meets damage, the others are tried by themselves.
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

    /// Answers the callers of a transaction that was committed.
    fn acknowledge(&mut self, group: Vec<Append>, done: Done, bytes: usize) {
        let Done { receipts, records, position } = done;
        self.checkpoint.committed(bytes);
        let (epoch, last, has_grown) = (position.base.epoch, position.last, !records.is_empty());
        if has_grown {
            self.appended += records.len() as u64;
            // The tail gets the records before the callers get their answers: an acknowledged record is one that the
            // tail has.
            self.shared.recent.lock().extend(records);
            self.shared.grow(position.end());
        }
        self.position = Some(position);
        for (append, receipts) in group.into_iter().zip(receipts) {
            // The room is given back before the caller can come with its next append.
            drop(append.waiting);
            // Nobody receives the answer of a caller that was dropped; its entries stay in the log.
            let _ = append.reply.send(receipts.ok_or_else(|| AppendError::Refused(Late.into())));
        }
        // The position is noted while the callers wake up.
        if has_grown && let Err(error) = self.lock.acknowledge(epoch, last) {
            self.shared.complain(
                "lock file",
                &error,
                "the position of the last acknowledged record could not be written",
            );
        }
    }

    /// Runs one transaction for all of them.
    fn transact(&mut self, group: &mut [Append]) -> Result<Done, Failure> {
        self.shared.check_files().map_err(Failure::astray)?;
        let mut position = self.position()?.clone();
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        // Another program may have blocked the transaction for some seconds.
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

    /// Takes a step of trimming, if one is requested.
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
                "trimmed records could not be deleted; they still take space in the file",
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
                    // Records were committed after all; the tail reads them from the file.
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
    /// The receipts of each append; `None` where it came too late.
    receipts: Vec<Option<Vec<Receipt>>>,
    records: Vec<Record>,
    position: Position,
}
