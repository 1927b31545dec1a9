//! The one writer of a handle: a task that turns appends into transactions.
//!
//! Group commit needs no timer. While one transaction waits for the disk, appends queue; the next one takes them all.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings::{
    engine::{AppendError, Receipt, RoutingKey, ServerClock, Source},
    record::Entry,
};
use tidings_protocol::Cursor;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_postgres::{Row, Statement};

use crate::{
    log::Log,
    session::{Access, Session},
};

/// A transaction takes no further append once it has so many entries, so that the first waits no longer than some tens of milliseconds for
/// the last; and so many are one append's most.
pub(crate) const GROUP_ENTRIES: usize = 1_000;
/// Nor once it has this many bytes, which is one entry's most, too.
pub(crate) const GROUP_BYTES: usize = 8 << 20;
/// For so long after the deadline of its last append an answer is waited for. Then the connection is given up: what the server has not
/// begun by then it refuses by its own clock.
const SLACK: Duration = Duration::from_secs(1);

/// One caller's entries: all or none.
pub(crate) struct Job {
    pub(crate) entries: Vec<Stored>,
    /// After this they are not to be stored.
    pub(crate) deadline: Instant,
    /// Set by whoever is first: the writer, which sends them, or the caller, who waits no longer.
    pub(crate) claimed: Arc<AtomicBool>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Receipt>, AppendError>>,
}

/// An entry as it is stored.
pub(crate) struct Stored {
    key: String,
    bytes: Vec<u8>,
    payload: i32,
    routing: Vec<i64>,
}

impl From<&Entry> for Stored {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key.as_str().to_owned(),
            bytes: entry.to_bytes(),
            payload: i32::try_from(entry.payload.get().len()).unwrap_or(i32::MAX),
            routing: entry.routing_keys().into_iter().map(|RoutingKey(key)| key.cast_signed()).collect(),
        }
    }
}

/// The deadline passed before the entries were sent, or before the server got to them.
#[derive(Debug, thiserror::Error)]
#[error("its deadline has passed")]
pub(crate) struct Late;

/// Why a group was not acknowledged; told to everybody whose appends were in it.
#[derive(Debug, Clone)]
struct Failure {
    error: String,
    /// Whether it certainly left nothing behind.
    certain: bool,
}

impl Failure {
    fn tell(&self) -> AppendError {
        let source = Source::from(self.error.clone());
        if self.certain { AppendError::Refused(source) } else { AppendError::Unknown(source) }
    }

    /// What the server says of an error, it has rolled back; unless it says that it ends, by which the answer to a commit may be lost.
    fn of(error: &tokio_postgres::Error) -> Self {
        let certain = error.code().is_some_and(|code| {
            let code = code.code();
            !(matches!(code, "57P01" | "57P02" | "57P03") || code.starts_with("08"))
        });
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            text = format!("{text}: {source}");
        }
        Self { error: text, certain }
    }
}

/// The connection that writes.
struct Connected {
    session: Session,
    append: Statement,
}

impl Connected {
    async fn to(access: &Access, clock: &mut ServerClock) -> Result<Self, tokio_postgres::Error> {
        let session = access.connect(None).await?;
        // A group that waits for a synchronous standby waits for its deadline, however short the application's statements have to be.
        session.client.batch_execute("SET statement_timeout = 0").await?;
        let append = session.client.prepare("SELECT * FROM append($1, $2, $3, $4, $5, $6, $7)").await?;
        let row = session.client.query_one("SELECT now_ms()", &[]).await?;
        *clock = ServerClock::default();
        clock.heard(row.get(0));
        Ok(Self { session, append })
    }
}

/// Works until the engine is dropped.
pub(crate) async fn write(log: Weak<Log>, access: Access, mut queue: mpsc::Receiver<Job>) {
    let mut connected = None;
    let mut clock = ServerClock::default();
    while let Some(first) = queue.recv().await {
        let mut jobs = Vec::new();
        let (mut entries, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(job) = next {
            entries += job.entries.len();
            bytes += job.entries.iter().map(|stored| stored.bytes.len()).sum::<usize>();
            jobs.push(job);
            next = if entries < GROUP_ENTRIES && bytes < GROUP_BYTES { queue.try_recv().ok() } else { None };
        }
        let now = Instant::now();
        // Those whose callers have given up, or are about to, are left out.
        let is_ours =
            |job: &Job| job.entries.is_empty() || now < job.deadline && !job.claimed.swap(true, Ordering::AcqRel);
        jobs.retain(is_ours);
        let until = jobs.iter().map(|job| job.deadline).max().unwrap_or(now) + SLACK;
        let outcome = match timeout_at(until, transact(&access, &mut connected, &mut clock, &jobs)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure { error: "the server did not answer".to_owned(), certain: false }),
        };
        let rows = match outcome {
            Ok(rows) => rows,
            Err(failure) => {
                if !failure.certain {
                    connected = None;
                }
                for job in jobs {
                    let answer = if job.entries.is_empty() { Ok(Vec::new()) } else { Err(failure.tell()) };
                    let _ = job.reply.send(answer);
                }
                continue;
            }
        };
        if let Some(row) = rows.last() {
            clock.heard(row.get(4));
        }
        let receipts: Vec<_> = rows.iter().map(receipt).collect();
        let last = receipts.iter().flatten().map(|receipt| receipt.cursor.seq).max();
        if let (Some(log), Some(last)) = (log.upgrade(), last) {
            log.grew(last);
        }
        let mut receipts = receipts.into_iter();
        for job in jobs {
            let own: Option<Vec<_>> = receipts.by_ref().take(job.entries.len()).collect();
            // A caller that was dropped does not listen; what it appended stays.
            let _ = job.reply.send(own.ok_or_else(|| AppendError::Refused(Late.into())));
        }
    }
}

/// `None` where the deadline had passed.
fn receipt(row: &Row) -> Option<Receipt> {
    let seq: Option<i64> = row.get(0);
    let small = |index| u32::try_from(row.get::<_, i64>(index)).unwrap_or_default();
    let cursor = Cursor { epoch: small(3), seq: u64::try_from(seq?).ok()?, tag: small(1) };
    Some(Receipt { cursor, duplicate: row.get(2) })
}

/// One transaction for all of them.
async fn transact(
    access: &Access,
    connected: &mut Option<Connected>,
    clock: &mut ServerClock,
    jobs: &[Job],
) -> Result<Vec<Row>, Failure> {
    if jobs.iter().all(|job| job.entries.is_empty()) {
        return Ok(Vec::new());
    }
    if connected.as_ref().is_none_or(|connected| connected.session.client.is_closed()) {
        *connected = None;
        let made = Connected::to(access, clock).await;
        // Nothing was sent.
        *connected = Some(made.map_err(|error| Failure { certain: true, ..Failure::of(&error) })?);
    }
    let Some(Connected { session, append }) = connected.as_ref() else {
        return Err(Failure { error: "there is no connection".to_owned(), certain: true });
    };
    let all = || jobs.iter().flat_map(|job| &job.entries);
    let keys: Vec<_> = all().map(|stored| stored.key.as_str()).collect();
    let entries: Vec<_> = all().map(|stored| stored.bytes.as_slice()).collect();
    let tags: Vec<_> = all().map(|_| i64::from(fastrand::u32(1..))).collect();
    let payloads: Vec<_> = all().map(|stored| stored.payload).collect();
    let counts: Vec<_> = all().map(|stored| i32::try_from(stored.routing.len()).unwrap_or(i32::MAX)).collect();
    let routing: Vec<_> = all().flat_map(|stored| stored.routing.iter().copied()).collect();
    let deadlines: Vec<_> =
        jobs.iter().flat_map(|job| std::iter::repeat_n(clock.at(job.deadline), job.entries.len())).collect();
    let _ = session.take_unreplicated();
    let rows = session.client.query(append, &[&keys, &entries, &tags, &payloads, &counts, &routing, &deadlines]).await;
    let rows = rows.map_err(|error| Failure::of(&error))?;
    if session.take_unreplicated() {
        let error = "the server did not wait for its synchronous standby".to_owned();
        return Err(Failure { error, certain: false });
    }
    Ok(rows)
}
