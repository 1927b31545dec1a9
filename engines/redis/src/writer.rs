//! Appends as calls of one script, one for each group.

use std::sync::Weak;

use redis::aio::MultiplexedConnection;
use tidings::{
    engine::{CommitError, Committer, GroupedAppend, Receipt, RoutingKey, ServerClock},
    record::Entry,
};
use tidings_protocol::Cursor;

use crate::{
    link::{self, APPEND},
    log::Log,
};

/// An entry as it is stored.
pub(crate) struct Stored {
    key: String,
    bytes: Vec<u8>,
    payload: usize,
    /// The routing keys, separated by commas.
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
                .join(","),
        }
    }
}

/// An error of the server means that nothing was done: a script is refused before it writes anything.
fn failed(error: &redis::RedisError) -> CommitError {
    if link::is_broken(error) { unknown(error) } else { refused(error) }
}

fn refused(error: &redis::RedisError) -> CommitError {
    CommitError::refused(error.to_string())
}

fn unknown(error: &redis::RedisError) -> CommitError {
    CommitError::unknown(error.to_string())
}

/// Writes the appends of one handle.
pub(crate) struct Writer {
    log: Weak<Log>,
    connected: Option<MultiplexedConnection>,
    clock: ServerClock,
}

impl Writer {
    pub(crate) fn new(log: Weak<Log>) -> Self {
        Self { log, connected: None, clock: ServerClock::default() }
    }
}

impl Committer for Writer {
    type Stored = Stored;

    fn bytes(stored: &Stored) -> usize {
        stored.bytes.len()
    }

    async fn commit(&mut self, appends: &[GroupedAppend<Stored>]) -> Result<Vec<Option<Receipt>>, CommitError> {
        let Self { log, connected, clock } = self;
        let Some(log) = log.upgrade() else { return Err(CommitError::refused("the log was closed")) };
        let connection = match connected {
            Some(connection) => connection,
            None => {
                // Nothing was sent.
                let mut made = link::connect(&log.client).await.map_err(|error| refused(&error))?;
                let time: (i64, i64) =
                    redis::cmd("TIME").query_async(&mut made).await.map_err(|error| refused(&error))?;
                *clock = ServerClock::default();
                clock.heard(time.0 * 1_000 + time.1 / 1_000);
                connected.insert(made)
            }
        };
        let count = appends.iter().map(|append| append.entries().len()).sum::<usize>();
        let mut call = APPEND.prepare_invoke();
        call.key(&log.keys.log).key(&log.keys.keys).key(&log.keys.head).arg(count);
        for append in appends {
            let deadline = clock.at(append.deadline());
            for stored in append.entries() {
                call.arg(&*stored.key).arg(fastrand::u32(1..)).arg(deadline).arg(stored.payload);
                call.arg(&*stored.routing).arg(&*stored.bytes);
            }
        }
        let answer: Vec<String> = call.invoke_async(connection).await.map_err(|error| failed(&error))?;
        let strange = || CommitError::unknown("the server's answer is not that of the script");
        let [epoch, now, receipts @ ..] = &*answer else { return Err(strange()) };
        clock.heard(now.parse().map_err(|_| strange())?);
        let epoch = epoch.parse().map_err(|_| strange())?;
        let receipts: Vec<_> = receipts.iter().map(|text| receipt(epoch, text)).collect();
        if receipts.len() != count {
            return Err(strange());
        }
        if log.settings.replicas > 0 && receipts.iter().flatten().any(|receipt| !receipt.duplicate) {
            // `WAIT` has no timeout of its own; the caller's deadline ends it.
            let wait = redis::cmd("WAIT").arg(log.settings.replicas).arg(0).query_async(connection).await;
            let reached: u32 = wait.map_err(|error| unknown(&error))?;
            if reached < log.settings.replicas {
                return Err(CommitError::unknown(format!("{reached} of {} replicas have it", log.settings.replicas)));
            }
        }
        Ok(receipts)
    }

    fn committed(&self, last: u64) {
        if let Some(log) = self.log.upgrade() {
            log.grew(last);
        }
    }

    fn disconnect(&mut self) {
        self.connected = None;
    }
}

/// The receipt of an entry, from the script's number, tag and duplicate mark; `None` where the deadline had passed.
fn receipt(epoch: u32, text: &str) -> Option<Receipt> {
    let mut parts = text.split('.');
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (seq, tag, duplicate) = (next()?, next()?, next()?);
    Some(Receipt { cursor: Cursor { epoch, seq, tag: u32::try_from(tag).ok()? }, duplicate: duplicate == 1 })
}
