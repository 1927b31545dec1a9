//! The log in memory: for tests, and for applications whose clients may be told `gap` when the process restarts.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use parking_lot::Mutex;
use tidings_protocol::{Cursor, Key};
use tokio::sync::watch;

use super::{AppendError, Bounds, Engine, EngineError, Limit, Metadata, Receipt};
use crate::record::{Entry, Record};

/// How many records one item of the tail holds at most.
const TAIL_BATCH: usize = 1_000;

/// A log in memory. Its epoch is random, so clients of an earlier process are told `gap {reason: epoch}`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::{Hub, engine::Memory};
/// let hub = Hub::builder().engine(Memory::builder().records(10_000).build()).build().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Memory {
    shared: Arc<Shared>,
}

/// Bounds of a [`Memory`] log. Records leave from the front when any of them is passed; a key is forgotten with its record.
#[derive(Debug, Clone)]
#[must_use = "call build()"]
pub struct MemoryBuilder {
    records: usize,
    bytes: usize,
    age: Duration,
}

impl Default for MemoryBuilder {
    fn default() -> Self {
        Self { records: 100_000, bytes: 64 << 20, age: Duration::from_secs(600) }
    }
}

impl MemoryBuilder {
    /// At most this many records. Defaults to 100,000.
    pub fn records(mut self, records: usize) -> Self {
        self.records = records;
        self
    }

    /// At most this many bytes, of payloads and of the users whom events are addressed to. Defaults to 64 MiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Nothing older than this, looked at whenever something is appended. Defaults to 10 minutes.
    pub fn age(mut self, age: Duration) -> Self {
        self.age = age;
        self
    }

    /// Makes the log, empty, with a random epoch.
    #[must_use]
    pub fn build(self) -> Memory {
        let log = Log {
            epoch: fastrand::u32(1..),
            first: 1,
            base_tag: 0,
            bytes: 0,
            records: VecDeque::new(),
            keys: HashMap::new(),
            bounds: self,
        };
        Memory {
            shared: Arc::new(Shared { log: Mutex::new(log), grown: watch::Sender::new(0), metadata: Mutex::default() }),
        }
    }
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    /// The last sequence number; tails wait for it to grow.
    grown: watch::Sender<u64>,
    metadata: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[derive(Debug)]
struct Log {
    epoch: u32,
    first: u64,
    base_tag: u32,
    bytes: usize,
    records: VecDeque<Record>,
    keys: HashMap<Key, Receipt>,
    bounds: MemoryBuilder,
}

impl Memory {
    /// Sets the bounds of a log.
    pub fn builder() -> MemoryBuilder {
        MemoryBuilder::default()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Log {
    fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    fn append(&mut self, entry: Arc<Entry>) -> Receipt {
        if let Some(first) = self.keys.get(&entry.key) {
            return Receipt { duplicate: true, ..*first };
        }
        let record = Record { seq: self.last() + 1, tag: fastrand::u32(1..), entry };
        let cursor = Cursor { epoch: self.epoch, seq: record.seq, tag: record.tag };
        let receipt = Receipt { cursor, duplicate: false };
        self.bytes += record.entry.weight();
        self.keys.insert(record.entry.key.clone(), receipt);
        self.records.push_back(record);
        receipt
    }

    fn trim(&mut self) {
        let Some(newest) = self.records.back().map(|record| record.entry.timestamp.0) else { return };
        let oldest = newest.saturating_sub(u64::try_from(self.bounds.age.as_millis()).unwrap_or(u64::MAX));
        while let Some(front) = self.records.front() {
            let within = self.records.len() <= self.bounds.records
                && self.bytes <= self.bounds.bytes
                && front.entry.timestamp.0 >= oldest;
            if within {
                break;
            }
            self.bytes -= front.entry.weight();
            self.keys.remove(&front.entry.key);
            self.base_tag = front.tag;
            self.first += 1;
            self.records.pop_front();
        }
    }

    fn after(&self, after: u64, limit: Limit) -> Vec<Record> {
        let skip = usize::try_from(after.saturating_sub(self.first - 1)).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut page = Vec::new();
        for record in self.records.iter().skip(skip).take(limit.records) {
            page.push(record.clone());
            bytes += record.entry.payload.get().len();
            if bytes >= limit.bytes {
                break;
            }
        }
        page
    }
}

#[async_trait]
impl Engine for Memory {
    /// Never waits, so it cannot be cancelled half-way.
    async fn append(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<Receipt>, AppendError> {
        let mut log = self.shared.log.lock();
        let receipts = entries.into_iter().map(|entry| log.append(entry)).collect();
        log.trim();
        let last = log.last();
        drop(log);
        // Two appends may get here in either order: only ever grow.
        self.shared.grown.send_if_modified(|grown| std::mem::replace(grown, last.max(*grown)) < last);
        Ok(receipts)
    }

    fn tail(&self, from: u64) -> BoxStream<'static, Result<Vec<Record>, EngineError>> {
        let grown = self.shared.grown.subscribe();
        // The tail holds the log only while it reads, so that dropping the engine ends it.
        let state = (Arc::downgrade(&self.shared), grown, Some(from.max(1)));
        stream::unfold(state, |(shared, mut grown, from)| async move {
            let from = from?;
            grown.wait_for(|last| *last >= from).await.ok()?;
            let log = shared.upgrade()?;
            let records = log.log.lock().after(from - 1, Limit { records: TAIL_BATCH, bytes: usize::MAX });
            let item = match (records.first(), records.last()) {
                (Some(first), Some(last)) if first.seq == from => {
                    let next = last.seq + 1;
                    (Ok(records), (shared, grown, Some(next)))
                }
                _ => (Err(EngineError("the tail fell behind the log's trimming".into())), (shared, grown, None)),
            };
            Some(item)
        })
        .boxed()
    }

    async fn read(&self, after: u64, limit: Limit) -> Result<Vec<Record>, EngineError> {
        Ok(self.shared.log.lock().after(after, limit))
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        let log = self.shared.log.lock();
        Ok(Bounds { epoch: log.epoch, first: log.first, last: log.last(), base_tag: log.base_tag })
    }

    fn metadata(&self) -> &dyn Metadata {
        &*self.shared
    }
}

#[async_trait]
impl Metadata for Shared {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.metadata.lock().get(key).cloned())
    }

    async fn put(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), EngineError> {
        let mut metadata = self.metadata.lock();
        match value {
            Some(value) => metadata.insert(key.to_owned(), value),
            None => metadata.remove(key),
        };
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let metadata = self.metadata.lock();
        let from = metadata.range(prefix.to_owned()..);
        let found = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
