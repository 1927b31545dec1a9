//! The one writer of a handle: a task that turns appends into calls of one script.
//!
//! Group commit needs no timer. While one call waits for the disk, or for replicas, appends queue; the next one takes them all.

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

use redis::aio::MultiplexedConnection;

use crate::{
    link::{self, APPEND},
    log::Log,
};

/// A call takes no further append once it has so many entries, so that the first waits no longer than some tens of milliseconds for
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
    payload: usize,
    /// Separated by spaces.
    routing: String,
}

impl From<&Entry> for Stored {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key.as_str().to_owned(),
            bytes: entry.to_bytes(),
            payload: entry.payload.get().len(),
            routing: entry
                .routing_keys()
                .iter()
                .map(|RoutingKey(key)| key.cast_signed().to_string())
                .collect::<Vec<_>>()
                .join(" "),
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

    /// What the server says of an error, it has not done: a script is refused before it writes anything.
    fn of(error: &redis::RedisError) -> Self {
        Self { error: error.to_string(), certain: !link::is_broken(error) }
    }
}

/// Works until the engine is dropped.
pub(crate) async fn write(log: Weak<Log>, mut queue: mpsc::Receiver<Job>) {
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
        let Some(shared) = log.upgrade() else { return };
        let outcome = match timeout_at(until, call(&shared, &mut connected, &mut clock, &jobs)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure { error: "the server did not answer".to_owned(), certain: false }),
        };
        let receipts = match outcome {
            Ok(receipts) => receipts,
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
        if let Some(last) = receipts.iter().flatten().map(|receipt| receipt.cursor.seq).max() {
            shared.grew(last);
        }
        let mut receipts = receipts.into_iter();
        for job in jobs {
            let own: Option<Vec<_>> = receipts.by_ref().take(job.entries.len()).collect();
            // A caller that was dropped does not listen; what it appended stays.
            let _ = job.reply.send(own.ok_or_else(|| AppendError::Refused(Late.into())));
        }
    }
}

/// What the script says of one entry: number, tag and whether its key was known; nothing where its deadline had passed.
fn receipt(epoch: u32, text: &str) -> Option<Receipt> {
    let mut parts = text.split('.');
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (seq, tag, duplicate) = (next()?, next()?, next()?);
    Some(Receipt { cursor: Cursor { epoch, seq, tag: u32::try_from(tag).ok()? }, duplicate: duplicate == 1 })
}

/// One call for all of them.
async fn call(
    log: &Log,
    connected: &mut Option<MultiplexedConnection>,
    clock: &mut ServerClock,
    jobs: &[Job],
) -> Result<Vec<Option<Receipt>>, Failure> {
    if jobs.iter().all(|job| job.entries.is_empty()) {
        return Ok(Vec::new());
    }
    let connection = match connected {
        Some(connection) => connection,
        None => {
            // Nothing was sent.
            let unsent = |error: &redis::RedisError| Failure { error: error.to_string(), certain: true };
            let mut made = link::connect(&log.client).await.map_err(|error| unsent(&error))?;
            let time: (i64, i64) = redis::cmd("TIME").query_async(&mut made).await.map_err(|error| unsent(&error))?;
            *clock = ServerClock::default();
            clock.heard(time.0 * 1_000 + time.1 / 1_000);
            connected.insert(made)
        }
    };
    let count = jobs.iter().map(|job| job.entries.len()).sum::<usize>();
    let mut append = APPEND.prepare_invoke();
    append.key(&log.keys.log).key(&log.keys.keys).key(&log.keys.head).arg(count);
    for job in jobs {
        let deadline = clock.at(job.deadline);
        for stored in &job.entries {
            append.arg(&*stored.key).arg(fastrand::u32(1..)).arg(stored.payload).arg(&*stored.routing);
            append.arg(deadline).arg(&*stored.bytes);
        }
    }
    let answer: Vec<String> = append.invoke_async(connection).await.map_err(|error| Failure::of(&error))?;
    let strange = || Failure { error: "the server's answer is not that of the script".to_owned(), certain: false };
    let [epoch, now, receipts @ ..] = &*answer else { return Err(strange()) };
    clock.heard(now.parse().map_err(|_| strange())?);
    let epoch = epoch.parse().map_err(|_| strange())?;
    let receipts: Vec<_> = receipts.iter().map(|text| receipt(epoch, text)).collect();
    if receipts.len() != count {
        return Err(strange());
    }
    if log.settings.replicas > 0 && receipts.iter().flatten().any(|receipt| !receipt.duplicate) {
        // The caller's own deadline ends it.
        let wait = redis::cmd("WAIT").arg(log.settings.replicas).arg(0).query_async(connection).await;
        let reached: u32 = wait.map_err(|error| Failure { certain: false, ..Failure::of(&error) })?;
        if reached < log.settings.replicas {
            let error = format!("{reached} of {} replicas have it", log.settings.replicas);
            return Err(Failure { error, certain: false });
        }
    }
    Ok(receipts)
}
