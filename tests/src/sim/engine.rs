//! The simulated engine: one log for all nodes, which answers at once and fails as it is told to.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream, stream::BoxStream};
use parking_lot::{Mutex, MutexGuard};
use serde_json::value::RawValue;
use tidings::{
    engine::{AppendError, Bounds, Engine, EngineError, Limit, Metadata, Receipt},
    record::{Control, Entry, Order, Record},
};
use tidings_protocol::{Cursor, Key, Pattern, event::Timestamp};

use super::truth::{Place, Truth};

/// How the next append goes.
#[derive(Debug, Clone, Default)]
pub(super) enum Mode {
    /// Stored and acknowledged.
    #[default]
    Prompt,
    /// Not stored, and said so.
    Refused,
    /// Not stored, and nothing said.
    Vanished,
    /// Stored, and the acknowledgement lost.
    AckLost,
    /// Stored at once, acknowledged when the gate opens.
    AckLate(Gate),
    /// Stored when the gate opens.
    Late(Gate),
}

/// Holds an append up until it is opened.
#[derive(Debug, Clone, Default)]
pub(super) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    async fn pass(&self) {
        std::future::poll_fn(|_| if self.0.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

/// What the engine is told to do wrong for the whole run; see [`Sabotage`](super::Sabotage).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flaws {
    pub(super) one_tag: bool,
    pub(super) loses_cancelled: bool,
    pub(super) hides_commands: bool,
    pub(super) hides_takings: bool,
    pub(super) forgets_commands: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) truth: Truth,
    epoch: u32,
    first: u64,
    /// Before the first record held.
    base: Place,
    records: VecDeque<Place>,
    keys: HashMap<Key, Receipt>,
    metadata: BTreeMap<String, Vec<u8>>,
    /// Tails of an older generation break.
    pub(super) generation: u64,
    pub(super) now_ms: u64,
    /// What users were to lose, whether it came into the log or not.
    pub(super) revoked: Vec<(&'static str, Pattern)>,
    /// The server has given somebody something.
    pub(super) gives: bool,
    pub(super) mode: Mode,
    /// The engine cannot be reached from these nodes.
    pub(super) out: [bool; 2],
    /// Nothing new is seen from these nodes.
    pub(super) lags: [bool; 2],
    /// At most so many records in one item of the tail, and in one page.
    pub(super) batch: usize,
    pub(super) page: usize,
    flaws: Flaws,
}

impl Log {
    pub(super) fn new(flaws: Flaws, page: usize) -> Self {
        let mut truth = Truth::default();
        let base = truth.push(Cursor { epoch: 1, seq: 0, tag: 0 }, None, None, None);
        Self {
            truth,
            epoch: 1,
            first: 1,
            base,
            records: VecDeque::new(),
            keys: HashMap::new(),
            metadata: BTreeMap::new(),
            generation: 0,
            now_ms: 1_700_000_000_000,
            revoked: Vec::new(),
            gives: false,
            mode: Mode::Prompt,
            out: [false; 2],
            lags: [false; 2],
            batch: usize::MAX,
            page,
            flaws,
        }
    }

    pub(super) fn last(&self) -> u64 {
        self.first + self.records.len() as u64 - 1
    }

    /// The last record, or what stands before an empty log.
    pub(super) fn tip(&self) -> Place {
        self.records.back().copied().unwrap_or(self.base)
    }

    /// The records held.
    pub(super) fn held(&self) -> impl Iterator<Item = Place> {
        self.records.iter().copied()
    }

    /// Whether a user was to lose something of this.
    pub(super) fn was_revoked(&self, user: &str, pattern: &Pattern) -> bool {
        self.revoked.iter().any(|(other, lost)| *other == user && lost.overlaps(pattern))
    }

    /// Whether a client or node at this position must be told: its record, or the next one, is not there any more.
    pub(super) fn fails(&self, at: Cursor) -> bool {
        let lost = self.truth.find(at).is_none_or(|place| self.truth.get(place).lost);
        lost || at.epoch != self.epoch || at.seq + 1 < self.first
    }

    fn tag(&self) -> u32 {
        // Not a random number, so that a schedule with steps taken out still is the same schedule.
        let number = u32::try_from(self.truth.next()).unwrap_or(u32::MAX);
        if self.flaws.one_tag { 7 } else { number.wrapping_mul(0x9e37_79b1).rotate_left(13) | 1 }
    }

    fn store(&mut self, entry: Arc<Entry>) -> (Receipt, Option<Place>) {
        if let Some(first) = self.keys.get(&entry.key) {
            return (Receipt { duplicate: true, ..*first }, None);
        }
        let at = Cursor { epoch: self.epoch, seq: self.last() + 1, tag: self.tag() };
        let receipt = Receipt { cursor: at, duplicate: false };
        self.keys.insert(entry.key.clone(), receipt);
        // Each record carries its own number, by which it is known wherever it turns up.
        let numbered = format!("{{\"n\":{},\"p\":{}}}", self.truth.next(), entry.payload.get());
        let payload = RawValue::from_string(numbered).expect("JSON in JSON");
        let mut served = Entry { payload, timestamp: Timestamp(self.now_ms), ..(*entry).clone() };
        let takes = |control: &Control| matches!(control.order, Order::Unsubscribe { .. });
        if served
            .control()
            .is_some_and(|control| self.flaws.hides_commands || self.flaws.hides_takings && takes(control))
        {
            served = unheard(served);
        }
        let served = Arc::new(served);
        let place = self.truth.push(at, Some(self.tip()), Some(entry), Some(served));
        self.records.push_back(place);
        (receipt, Some(place))
    }

    /// Removes up to `count` records from the front.
    pub(super) fn trim(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(place) = self.records.pop_front() else { break };
            self.base = place;
            self.first += 1;
            self.forget(place);
        }
        count > 0
    }

    /// Loses up to `count` records from the end, though they were acknowledged.
    pub(super) fn roll_back(&mut self, count: usize) {
        for _ in 0..count {
            let Some(place) = self.records.pop_back() else { break };
            self.truth.get_mut(place).lost = true;
            self.forget(place);
        }
        self.generation += 1;
    }

    /// Begins anew.
    pub(super) fn wipe(&mut self) {
        self.truth.lose_all();
        self.records.clear();
        self.keys.clear();
        self.epoch += 1;
        self.first = 1;
        self.base = self.truth.push(Cursor { epoch: self.epoch, seq: 0, tag: 0 }, None, None, None);
        self.generation += 1;
    }

    fn forget(&mut self, place: Place) {
        if let Some(entry) = &self.truth.get(place).entry {
            self.keys.remove(&entry.key);
        }
    }

    fn after(&self, after: u64, limit: usize) -> Vec<Record> {
        let skip = usize::try_from(after.saturating_sub(self.first - 1)).unwrap_or(usize::MAX);
        let records = self.records.iter().skip(skip).take(limit).filter_map(|place| {
            let stored = self.truth.get(*place);
            Some(Record { seq: stored.at.seq, tag: stored.at.tag, entry: stored.served.clone()? })
        });
        records.collect()
    }
}

/// The engine as one node sees it.
#[derive(Debug, Clone)]
pub(super) struct Simulated {
    pub(super) log: Arc<Mutex<Log>>,
    pub(super) node: usize,
}

impl Simulated {
    fn reach(&self) -> Result<MutexGuard<'_, Log>, EngineError> {
        let log = self.log.lock();
        if log.out[self.node] { Err(EngineError("out of reach".into())) } else { Ok(log) }
    }
}

/// A publisher that was given up after its event was stored.
struct Waiting {
    log: Arc<Mutex<Log>>,
    places: Vec<Place>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut log = self.log.lock();
        if !log.flaws.loses_cancelled {
            return;
        }
        for place in self.places.drain(..) {
            let served = &mut log.truth.get_mut(place).served;
            *served = served.as_deref().cloned().map(|entry| Arc::new(unheard(entry)));
        }
    }
}

/// What it becomes when nobody is to hear it.
fn unheard(entry: Entry) -> Entry {
    let channel = "unheard".parse().expect("a channel");
    Entry { channel, audience: tidings::record::Audience::Channel, ..entry }
}

#[async_trait]
impl Engine for Simulated {
    async fn append(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<Receipt>, AppendError> {
        let mode = std::mem::take(&mut self.log.lock().mode);
        match &mode {
            Mode::Refused => return Err(AppendError::Refused("told to".into())),
            Mode::Vanished => return Err(AppendError::Unknown("told to".into())),
            Mode::Late(gate) => gate.pass().await,
            Mode::Prompt | Mode::AckLost | Mode::AckLate(_) => {}
        }
        let (receipts, places): (Vec<_>, Vec<_>) = {
            let mut log = self.reach().map_err(|error| AppendError::Refused(error.into()))?;
            entries.into_iter().map(|entry| log.store(entry)).unzip()
        };
        match mode {
            Mode::AckLost => return Err(AppendError::Unknown("told to".into())),
            Mode::AckLate(gate) => {
                let places = places.into_iter().flatten().collect();
                let mut waiting = Waiting { log: self.log.clone(), places };
                gate.pass().await;
                waiting.places.clear();
            }
            Mode::Prompt | Mode::Refused | Mode::Vanished | Mode::Late(_) => {}
        }
        Ok(receipts)
    }

    fn tail(&self, from: u64) -> BoxStream<'static, Result<Vec<Record>, EngineError>> {
        let engine = self.clone();
        let generation = self.log.lock().generation;
        let mut next = Some(from);
        let tail = stream::poll_fn(move |_| {
            let Some(from) = next else { return Poll::Ready(None) };
            let log = engine.log.lock();
            if log.out[engine.node] || log.generation != generation || from < log.first {
                next = None;
                return Poll::Ready(Some(Err(EngineError("the tail broke".into()))));
            }
            if log.lags[engine.node] {
                return Poll::Pending;
            }
            let records = log.after(from - 1, log.batch);
            let Some(last) = records.last() else { return Poll::Pending };
            next = Some(last.seq + 1);
            Poll::Ready(Some(Ok(records)))
        });
        tail.boxed()
    }

    async fn read(&self, after: u64, limit: Limit) -> Result<Vec<Record>, EngineError> {
        let log = self.reach()?;
        Ok(log.after(after, limit.records.min(log.page)))
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        let log = self.reach()?;
        let base_tag = log.truth.get(log.base).at.tag;
        Ok(Bounds { epoch: log.epoch, first: log.first, last: log.last(), base_tag })
    }

    fn metadata(&self) -> &dyn Metadata {
        self
    }
}

#[async_trait]
impl Metadata for Simulated {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.reach()?.metadata.get(key).cloned())
    }

    async fn put(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), EngineError> {
        let mut log = self.reach()?;
        match value {
            Some(value) => log.metadata.insert(key.to_owned(), value),
            None => log.metadata.remove(key),
        };
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let log = self.reach()?;
        if log.flaws.forgets_commands {
            return Ok(Vec::new());
        }
        let found = log.metadata.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
