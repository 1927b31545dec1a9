//! Group commit, for engines whose log is on a server: appends that come while a call is under way go with the next one, all in one.

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

/// A call takes no further append once it has so many entries, so that the first waits no longer than some tens of milliseconds for the
/// last; and so many are one append's most.
const GROUP_ENTRIES: usize = 1_000;
/// Nor once it has this many bytes, which is one entry's most, too.
const GROUP_BYTES: usize = 8 << 20;
/// For so long after the deadline of its last append an answer is waited for. Then the connection is given up: what the server has not
/// begun by then it refuses by its own clock.
const SLACK: Duration = Duration::from_secs(1);
/// So many appends wait for the task that commits; then their callers do.
const QUEUE: usize = 1_024;

/// What stores a group of appends in one call to a server.
pub trait Committer: Send + 'static {
    /// An entry as the log stores it. Callers make it, and not the task whose time everybody shares.
    type Stored: for<'a> From<&'a Entry> + Send + Sync + 'static;

    /// How many bytes of a call an entry takes.
    fn bytes(stored: &Self::Stored) -> usize;

    /// Stores the entries of all of these, in their order, in one call; one receipt for each entry, `None` where the deadline had
    /// passed by the server's clock.
    ///
    /// # Errors
    ///
    /// [`CommitError`]: nothing was acknowledged, for none of them.
    fn commit(
        &mut self,
        appends: &[GroupedAppend<Self::Stored>],
    ) -> impl Future<Output = Result<Vec<Option<Receipt>>, CommitError>> + Send;

    /// The log goes as far as this number at least.
    fn committed(&self, last: u64);

    /// Gives the connection up, because it is not known what became of a call on it.
    fn disconnect(&mut self);
}

/// One caller's entries: all or none.
pub struct GroupedAppend<S> {
    entries: Vec<S>,
    deadline: Instant,
    /// Set by whoever is first: the task, which sends them, or the caller, who waits no longer.
    claimed: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<Vec<Receipt>, AppendError>>,
    /// Its room in the queue, which it gives back however it ends.
    waiting: Option<Waiting>,
}

impl<S> GroupedAppend<S> {
    /// What is to be stored.
    pub fn entries(&self) -> &[S] {
        &self.entries
    }

    /// After this they are not to be stored.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

/// Why a group was not acknowledged; told to everybody whose appends were in it.
#[derive(Debug, Clone)]
pub struct CommitError {
    text: String,
    is_certain: bool,
}

impl CommitError {
    /// Certainly nothing was stored, and nothing will be.
    pub fn refused(error: impl Into<String>) -> Self {
        Self { text: error.into(), is_certain: true }
    }

    /// It is not known whether it was stored.
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
#[error("its deadline has passed")]
struct Late;

/// The appends of one handle on a log. A task hands them to a [`Committer`], one group after the other. No timer is needed: while one
/// call waits for a disk, appends queue, and the next call takes them all.
pub struct GroupCommit<C: Committer> {
    queue: mpsc::Sender<GroupedAppend<C::Stored>>,
    backlog: Arc<Backlog>,
}

impl<C: Committer> GroupCommit<C> {
    /// Starts the task, which works until this is dropped or it is aborted. Call it inside a tokio runtime.
    pub fn start(committer: C) -> (Self, AbortHandle) {
        let (queue, appends) = mpsc::channel(QUEUE);
        (Self { queue, backlog: Backlog::new(BACKLOG_BYTES) }, tokio::spawn(work(committer, appends)).abort_handle())
    }

    /// As far as one append may go.
    #[must_use]
    pub fn limits() -> Limits {
        Limits::default().batch(GROUP_ENTRIES).entry_bytes(GROUP_BYTES)
    }

    /// Appends as [`Engine::append`](super::Engine::append) does.
    ///
    /// # Errors
    ///
    /// [`AppendError`]; `Overloaded` where more than 64 MiB of appends wait for the server already.
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
            // Whoever is first decides: what the task has not sent it never will.
            failed => {
                let is_certain = !claimed.swap(true, Ordering::AcqRel);
                let source = if failed.is_err() { Late.into() } else { Source::from("the log was closed") };
                Err(if is_certain { AppendError::Refused(source) } else { AppendError::Unknown(source) })
            }
        }
    }

    /// Waits for what was handed over before, but no longer than this.
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
        // Those whose callers have given up, or are about to, are left out.
        group.retain(|append| {
            append.entries.is_empty() || now < append.deadline && !append.claimed.swap(true, Ordering::AcqRel)
        });
        let until = group.iter().map(|append| append.deadline).max().unwrap_or(now) + SLACK;
        let outcome = if group.iter().all(|append| append.entries.is_empty()) {
            Ok(Vec::new())
        } else {
            let answer = timeout_at(until, committer.commit(&group)).await;
            answer.unwrap_or_else(|_| Err(CommitError::unknown("the server did not answer")))
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
            // A caller that was dropped does not listen; what it appended stays.
            let _ = append.reply.send(own.ok_or_else(|| AppendError::Refused(Late.into())));
        }
    }
}
