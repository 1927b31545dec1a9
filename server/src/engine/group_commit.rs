//! Group commit, for engines whose log is on a server: appends that arrive while a call is in progress are sent
//! together in the next call.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::{Instant, timeout, timeout_at},
};

use super::{
    AppendError, Limits, Receipt, Source,
    backlog::{BACKLOG_BYTES, Backlog, Waiting},
};
use crate::record::Entry;

/// A call takes no further append once it has this many entries, so that the first append waits only some tens of
/// milliseconds for the last. It is also the most entries of one append.
const GROUP_ENTRIES: usize = 1_000;
/// A call takes no further append once it has this many bytes either. It is also the most bytes of one entry.
const GROUP_BYTES: usize = 8 << 20;
/// How long after the deadline of its last append a call is waited for. Then the connection is given up; the server
/// refuses by its own clock what it has not begun by then.
const SLACK: Duration = Duration::from_secs(1);
/// How many appends the queue of the committing task holds; further callers wait.
const QUEUE: usize = 1_024;

/// Stores a group of appends in one call to a server.
pub trait Committer: Send + 'static {
    /// An entry as the log stores it. Callers make it, and not the committing task, because everyone shares that task's
    /// time.
    type Stored: for<'a> From<&'a Entry> + Send + Sync + 'static;

    /// The bytes that an entry takes in a call.
    fn bytes(stored: &Self::Stored) -> usize;

    /// Stores the entries of all these appends, in their order, in one call. Returns a receipt for each entry, or
    /// `None` where the deadline had passed by the server's clock.
    ///
    /// # Errors
    ///
    /// [`CommitError`]: no append of the group was acknowledged.
    fn commit(
        &mut self,
        appends: &[GroupedAppend<Self::Stored>],
    ) -> impl Future<Output = Result<Vec<Option<Receipt>>, CommitError>> + Send;

    /// Reports that the log goes at least as far as this number.
    fn committed(&self, last: u64);

    /// Drops the connection, because the outcome of a call on it is unknown.
    fn disconnect(&mut self);
}

/// One caller's entries: all or none.
pub struct GroupedAppend<S> {
    entries: Vec<S>,
    deadline: Instant,
    /// Set by the first of two: the task, which sends the entries, or the caller, who stops waiting.
    claimed: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<Vec<Receipt>, AppendError>>,
    /// The room in the backlog, given back when the append ends for whatever reason.
    waiting: Option<Waiting>,
}

impl<S> GroupedAppend<S> {
    /// The entries to store.
    pub fn entries(&self) -> &[S] {
        &self.entries
    }

    /// The deadline, after which the entries must not be stored.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Why a group was not acknowledged; every append of the group fails with it.
#[derive(Debug, Clone)]
pub struct CommitError {
    text: String,
    is_certain: bool,
}

impl CommitError {
    /// Nothing was stored, and nothing will be.
    pub fn refused(error: impl Into<String>) -> Self {
        Self { text: error.into(), is_certain: true }
    }

    /// It is unknown whether the group was stored.
    pub fn unknown(error: impl Into<String>) -> Self {
        Self { text: error.into(), is_certain: false }
    }

    fn tell(&self) -> AppendError {
        let source = Source::from(self.text.clone());
        if self.is_certain { AppendError::Refused(source) } else { AppendError::Unknown(source) }
    }
}

/// The deadline passed before the entries were sent, or before the server got to them.
#[derive(Debug, thiserror::Error)]
#[error("the append's deadline has passed")]
struct Late;

/// The appends of one handle on a log. A task passes them to a [`Committer`], one group after the other. No timer is
/// needed: while one call waits for a disk, appends queue, and the next call takes them all.
pub struct GroupCommit<C: Committer> {
    queue: mpsc::Sender<GroupedAppend<C::Stored>>,
    backlog: Arc<Backlog>,
}

impl<C: Committer> GroupCommit<C> {
    /// Starts the task, which runs until this is dropped or the handle aborts it. Call it inside a tokio runtime.
    pub fn start(committer: C) -> (Self, AbortHandle) {
        let (queue, appends) = mpsc::channel(QUEUE);
        (Self { queue, backlog: Backlog::new(BACKLOG_BYTES) }, tokio::spawn(work(committer, appends)).abort_handle())
    }

    /// The limits of one append.
    #[must_use]
    pub fn limits() -> Limits {
        Limits::default().batch(GROUP_ENTRIES).entry_bytes(GROUP_BYTES)
    }

    /// Appends like [`Engine::append`](super::Engine::append).
    ///
    /// # Errors
    ///
    /// [`AppendError`]; it is `Overloaded` where more than 64 MiB of appends already wait for the server.
    pub async fn append(&self, entries: &[Arc<Entry>], deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let began = Instant::now();
        let waiting = Some(self.backlog.admit(entries)?);
        let deadline = began.checked_add(deadline).unwrap_or_else(|| began + Duration::from_secs(1 << 30));
        let entries = entries.iter().map(|entry| C::Stored::from(entry)).collect();
        let claimed = Arc::new(AtomicBool::new(false));
        let (reply, answer) = oneshot::channel();
        let append = GroupedAppend { entries, deadline, claimed: claimed.clone(), reply, waiting };
        let outcome = timeout_at(deadline, async {
            self.queue.send(append).await.ok()?;
            answer.await.ok()
        });
        match outcome.await {
            Ok(Some(outcome)) => outcome,
            // If the caller is first, the task never sends the entries.
            failed => {
                let is_certain = !claimed.swap(true, Ordering::AcqRel);
                let source = if failed.is_err() { Late.into() } else { Source::from("the log was closed") };
                Err(if is_certain { AppendError::Refused(source) } else { AppendError::Unknown(source) })
            }
        }
    }

    /// Waits for everything that was handed over before, but no longer than this.
    pub async fn finish(&self, within: Duration) {
        let (reply, answer) = oneshot::channel();
        let last = GroupedAppend {
            entries: Vec::new(),
            deadline: Instant::now(),
            claimed: Arc::default(),
            reply,
            waiting: None,
        };
        if self.queue.send(last).await.is_ok() {
            let _ = timeout(within, answer).await;
        }
    }
}

async fn work<C: Committer>(mut committer: C, mut queue: mpsc::Receiver<GroupedAppend<C::Stored>>) {
    while let Some(first) = queue.recv().await {
        let mut group = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(append) = next {
            entries += append.entries.len();
            bytes += append.entries.iter().map(C::bytes).sum::<usize>();
            group.push(append);
            next = if entries < GROUP_ENTRIES && bytes < GROUP_BYTES { queue.try_recv().ok() } else { None };
        }
        let now = Instant::now();
        // Appends whose callers have given up, or are about to, are left out.
        group.retain(|append| {
            append.entries.is_empty() || now < append.deadline && !append.claimed.swap(true, Ordering::AcqRel)
        });
        let until = group.iter().map(|append| append.deadline).max().unwrap_or(now) + SLACK;
        let outcome = if group.iter().all(|append| append.entries.is_empty()) {
            Ok(Vec::new())
        } else {
            let answer = timeout_at(until, committer.commit(&group)).await;
            answer.unwrap_or_else(|_| Err(CommitError::unknown("the server did not answer in time")))
        };
        let receipts = match outcome {
            Ok(receipts) => receipts,
            Err(error) => {
                if !error.is_certain {
                    committer.disconnect();
                }
                for append in group {
                    drop(append.waiting);
                    let answer = if append.entries.is_empty() { Ok(Vec::new()) } else { Err(error.tell()) };
                    let _ = append.reply.send(answer);
                }
                continue;
            }
        };
        if let Some(last) = receipts.iter().flatten().map(|receipt| receipt.cursor.seq).max() {
            committer.committed(last);
        }
        let mut receipts = receipts.into_iter();
        for append in group {
            let own: Option<Vec<_>> = receipts.by_ref().take(append.entries.len()).collect();
            drop(append.waiting);
            // Nobody receives the answer of a caller that was dropped; its entries stay in the log.
            let _ = append.reply.send(own.ok_or_else(|| AppendError::Refused(Late.into())));
        }
    }
}
