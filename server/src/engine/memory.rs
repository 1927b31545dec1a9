//! The log in memory: for tests, and for applications whose clients may receive `gap` when the process restarts.

mod peers;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::{Mutex, MutexGuard};
use peers::Members;
use tidings_protocol::{Cursor, Key};
use tokio::{sync::watch, time::timeout};

use super::{
    AgeClock, AppendError, Batch, Bounds, Engine, EngineError, Limit, Location, Metadata, ReadError, Receipt,
    Retention, RoutingKey, Summary, TAIL_BEAT, Tail, Trim,
};
use crate::{
    clock::{millis, wall_clock_ms},
    peers::Peers,
    record::{Entry, Record},
};

/// The most records in one batch of the tail.
const TAIL_BATCH: Limit = Limit { records: 1_000, bytes: usize::MAX };
/// The most records that one step of trimming removes.
const TRIM_STEP: u64 = 10_000;
/// For how many routing keys the last use in the trimmed part is known: about 4 MiB.
const SUMMARY_KEYS: usize = 65_536;
/// For how many trimmed records the tag is known: 1 MiB.
const SUMMARY_TAGS: usize = 262_144;

/// A log in memory. Its epoch is random, so clients of an earlier process receive `gap {reason: epoch}`. Clones are
/// handles of one log, which several hubs in one process may use.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::{Hub, engine::Memory};
/// let hub = Hub::builder().engine(Memory::builder().records(10_000).build()).build().await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Memory {
    shared: Arc<Shared>,
}

/// The bounds of a [`Memory`] log. Records leave from the front when any bound is exceeded, at the latest when it is
/// exceeded by an eighth. A key is forgotten with its record.
#[derive(Debug, Clone)]
#[must_use = "call build()"]
pub struct MemoryBuilder {
    retention: Retention,
}

impl Default for MemoryBuilder {
    fn default() -> Self {
        Self { retention: Retention { records: 100_000, bytes: 64 << 20, age: Duration::from_secs(600) } }
    }
}

impl MemoryBuilder {
    /// The most records. Defaults to 100,000.
    pub fn records(mut self, records: usize) -> Self {
        self.retention.records = records as u64;
        self
    }

    /// The most bytes, counting everything that an event takes in memory. Defaults to 64 MiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.retention.bytes = bytes as u64;
        self
    }

    /// The greatest age of a record. Defaults to 10 minutes.
    pub fn age(mut self, age: Duration) -> Self {
        self.retention.age = age;
        self
    }

    /// Makes an empty log with a random epoch.
    #[must_use]
    pub fn build(self) -> Memory {
        let log = Log {
            epoch: fastrand::u32(1..),
            base: Place { seq: 0, tag: 0 },
            bytes: 0,
            records: VecDeque::new(),
            keys: HashMap::new(),
            summary: Summary::new(SUMMARY_KEYS, SUMMARY_TAGS),
            retention: self.retention,
            clock: None,
            closed: false,
        };
        Memory {
            shared: Arc::new(Shared {
                members: Arc::default(),
                log: Mutex::new(log),
                grown: watch::Sender::new(0),
                metadata: Mutex::default(),
            }),
        }
    }
}

#[derive(Debug)]
struct Shared {
    members: Arc<Members>,
    log: Mutex<Log>,
    /// The last number; tails wait for it to grow.
    grown: watch::Sender<u64>,
    metadata: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// A number, and the tag of the record there.
#[derive(Debug, Clone, Copy)]
struct Place {
    seq: u64,
    tag: u32,
}

#[derive(Debug)]
struct Log {
    epoch: u32,
    /// The record before the first one.
    base: Place,
    bytes: u64,
    records: VecDeque<Record>,
    keys: HashMap<Key, Receipt>,
    summary: Summary,
    retention: Retention,
    /// Set at the first trimming.
    clock: Option<AgeClock>,
    closed: bool,
}

/// The bytes that an event takes here: the entry, its slot in the queue, and its key and receipt in a queue and a map
/// that may just have grown; and a twenty-fourth of that for memory that the allocator cannot return because something
/// beside it is in use.
fn weight(entry: &Entry) -> u64 {
    let bytes = entry.weight() + (size_of::<Record>() + size_of::<(Key, Receipt)>() + 1) * 2;
    (bytes + bytes / 24) as u64
}

impl Memory {
    /// A builder with the default bounds.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Shared {
    fn log(&self) -> Result<MutexGuard<'_, Log>, EngineError> {
        let log = self.log.lock();
        if log.closed { Err(EngineError("the log was closed".into())) } else { Ok(log) }
    }
}

impl Log {
    fn last(&self) -> u64 {
        self.base.seq + self.records.len() as u64
    }

    fn cursor(&self, Place { seq, tag }: Place) -> Cursor {
        Cursor { epoch: self.epoch, seq, tag }
    }

    /// The place of a number, where its record is in the log or right before the first one.
    fn place(&self, seq: u64) -> Option<Place> {
        if seq == self.base.seq {
            return Some(self.base);
        }
        let index = usize::try_from(seq.checked_sub(self.base.seq + 1)?).ok()?;
        self.records.get(index).map(|record| Place { seq, tag: record.tag })
    }

    fn locate(&self, cursor: Cursor) -> Location {
        if cursor.epoch != self.epoch {
            return Location::Epoch;
        }
        if cursor.seq < self.base.seq {
            return self.summary.locate(cursor.seq, cursor.tag);
        }
        match self.place(cursor.seq) {
            Some(place) if place.tag == cursor.tag => Location::Held,
            _ => Location::Diverged,
        }
    }

    fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        match self.locate(after) {
            Location::Held => {}
            Location::Trimmed => return Err(ReadError::Trimmed { base: self.cursor(self.base) }),
            Location::Forgotten => return Err(ReadError::Forgotten),
            Location::Diverged => return Err(ReadError::Diverged),
            Location::Epoch => return Err(ReadError::Epoch),
        }
        let skip = usize::try_from(after.seq - self.base.seq).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut page = Vec::new();
        for record in self.records.iter().skip(skip).take(limit.records) {
            page.push(record.clone());
            bytes += record.entry.payload.get().len();
            if bytes >= limit.bytes {
                break;
            }
        }
        Ok(page)
    }

    fn append(&mut self, entry: Arc<Entry>) -> Receipt {
        if let Some(first) = self.keys.get(&entry.key) {
            return Receipt { duplicate: true, ..*first };
        }
        let record = Record { seq: self.last() + 1, tag: fastrand::u32(1..), entry };
        let cursor = Cursor { epoch: self.epoch, seq: record.seq, tag: record.tag };
        let receipt = Receipt { cursor, duplicate: false };
        self.bytes += weight(&record.entry);
        self.keys.insert(record.entry.key.clone(), receipt);
        self.records.push_back(record);
        receipt
    }

    /// About how many bytes the log takes, including memory that the allocator cannot return because something beside
    /// it is in use.
    fn taken(&self) -> u64 {
        self.bytes + self.bytes / 20
    }

    /// Removes up to `most` records beyond the bounds.
    fn trim(&mut self, most: u64) -> Trim {
        let wall = wall_clock_ms();
        let clock = self.clock.get_or_insert_with(|| AgeClock::starting_at(wall));
        let oldest = clock.follow(wall).saturating_sub(millis(self.retention.age));
        let mut removed = 0;
        while self.is_beyond(oldest) {
            if removed == most {
                return Trim { removed, more: true };
            }
            self.remove_front();
            removed += 1;
        }
        Trim { removed, more: false }
    }

    fn is_beyond(&self, oldest: u64) -> bool {
        self.records.front().is_some_and(|front| {
            self.records.len() as u64 > self.retention.records
                || self.taken() > self.retention.bytes
                || front.entry.timestamp.0 < oldest
        })
    }

    /// Whether so much was appended since the last trimming that the next one must not be waited for.
    fn overflows(&self) -> bool {
        let and_more = |bound: u64| bound.saturating_add(bound / 32);
        self.records.len() as u64 > and_more(self.retention.records) || self.taken() > and_more(self.retention.bytes)
    }

    fn remove_front(&mut self) {
        let Some(front) = self.records.pop_front() else { return };
        self.bytes -= weight(&front.entry);
        self.keys.remove(&front.entry.key);
        self.base = Place { seq: front.seq, tag: front.tag };
        self.summary.fold(front.seq, front.tag, front.entry.routing_keys());
    }
}

#[async_trait]
impl Engine for Memory {
    /// Never waits, so it cannot be cancelled half-way, nor be late.
    async fn append(&self, entries: Vec<Arc<Entry>>, _deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        let mut log = self.shared.log().map_err(|EngineError(source)| AppendError::Refused(source))?;
        let receipts = entries.into_iter().map(|entry| log.append(entry)).collect();
        if log.overflows() {
            log.trim(u64::MAX);
        }
        let last = log.last();
        drop(log);
        // Two appends may get here in either order, and the number must only grow.
        self.shared.grown.send_if_modified(|grown| std::mem::replace(grown, last.max(*grown)) < last);
        Ok(receipts)
    }

    fn tail(&self, after: Cursor) -> Tail {
        let grown = self.shared.grown.subscribe();
        // The tail holds the log only while it reads, so that dropping the engine ends the tail.
        let state = (Arc::downgrade(&self.shared), grown, Some(after), true);
        stream::unfold(state, |(shared, mut grown, after, is_first)| async move {
            let after = after?;
            // A tail that has waited this long yields an empty batch, to show that it is alive.
            if !is_first && let Ok(waited) = timeout(TAIL_BEAT, grown.wait_for(|last| *last > after.seq)).await {
                waited.ok()?;
            }
            let log = shared.upgrade()?;
            let read = log.log().map_err(ReadError::from).and_then(|log| log.read(after, TAIL_BATCH));
            Some(match read {
                Ok(records) => {
                    let next = records.last().map_or(after, |last| Cursor { seq: last.seq, tag: last.tag, ..after });
                    (Ok(Batch { after, records }), (shared, grown, Some(next), false))
                }
                Err(error) => (Err(error), (shared, grown, None, false)),
            })
        })
        .boxed()
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        self.shared.log()?.read(after, limit)
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        let log = self.shared.log()?;
        let last_tag = log.records.back().map_or(log.base.tag, |last| last.tag);
        Ok(Bounds {
            epoch: log.epoch,
            first: log.base.seq + 1,
            last: log.last(),
            base_tag: Some(log.base.tag),
            last_tag: Some(last_tag),
        })
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        let log = self.shared.log()?;
        Ok(log.place(seq).map(|place| log.cursor(place)))
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let log = self.shared.log()?;
        Ok(cursors.iter().map(|cursor| log.locate(*cursor)).collect())
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        let log = self.shared.log()?;
        Ok(keys.iter().map(|key| log.summary.moved(*key)).collect())
    }

    async fn trim(&self) -> Result<Trim, EngineError> {
        Ok(self.shared.log()?.trim(TRIM_STEP))
    }

    fn metadata(&self) -> &dyn Metadata {
        &*self.shared
    }

    fn peers(&self) -> Option<Arc<dyn Peers>> {
        Some(self.shared.members.clone())
    }

    async fn close(&self) {
        self.shared.log.lock().closed = true;
    }
}

#[async_trait]
impl Metadata for Shared {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.metadata.lock().get(key).cloned())
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError> {
        let mut metadata = self.metadata.lock();
        if metadata.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => metadata.insert(key.to_owned(), value),
            None => metadata.remove(key),
        };
        Ok(true)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let metadata = self.metadata.lock();
        let from = metadata.range(prefix.to_owned()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
