//! The simulated engine: one log for all nodes, which answers at once and fails on command.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::{Mutex, MutexGuard};
use serde_json::value::RawValue;
use tidings::{
    engine::{
        AppendError, Batch, Bounds, Engine, EngineError, Limit, Location, Metadata, ReadError, Receipt, RoutingKey,
        Summary, Tail, Trim,
    },
    record::{Control, Entry, Order, Record},
};
use tidings_protocol::{Cursor, Key, Pattern, event::Timestamp};

use super::truth::{Place, Truth};

/// The outcome of the next append.
#[derive(Debug, Clone, Default)]
pub(super) enum Mode {
    /// Stored and acknowledged.
    #[default]
    Prompt,
    /// The entry is not stored, and the append fails as refused.
    Refused,
    /// The entry is not stored, and the append is not answered.
    Vanished,
    /// The entry is stored, and the acknowledgement is lost.
    AckLost,
    /// The entry is stored at once, and acknowledged when the gate opens.
    AckLate(Gate),
    /// The entry is stored when the gate opens.
    Late(Gate),
}

/// Blocks an append until it is opened.
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

/// The engine's mistakes for a whole run; see [`Sabotage`](super::Sabotage).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flaws {
    pub(super) one_tag: bool,
    pub(super) loses_cancelled: bool,
    pub(super) hides_commands: bool,
    pub(super) hides_takings: bool,
    pub(super) forgets_commands: bool,
    pub(super) takes_evicted_for_silent: bool,
    pub(super) folds_late: bool,
    pub(super) forgets_tags: bool,
    pub(super) passes_over_damage: bool,
}

#[derive(Debug)]
pub(super) struct Log {
    pub(super) truth: Truth,
    epoch: u32,
    first: u64,
    /// The place before the first record in the log.
    base: Place,
    records: VecDeque<Place>,
    keys: HashMap<Key, Receipt>,
    summary: Summary,
    /// Trimmed records whose keys are not in the summary yet, which is a deliberate mistake.
    unfolded: Vec<Place>,
    room: (usize, usize),
    metadata: BTreeMap<String, Vec<u8>>,
    /// Tails of an older generation break.
    pub(super) generation: u64,
    pub(super) now_ms: u64,
    /// Access that users should lose, whether or not the order came into the log.
    pub(super) revoked: Vec<(&'static str, Pattern)>,
    /// Whether the server has subscribed a user.
    pub(super) gives: bool,
    pub(super) mode: Mode,
    /// From which nodes the engine cannot be reached.
    pub(super) out: [bool; 2],
    /// From which nodes no new records are visible.
    pub(super) lags: [bool; 2],
    /// The most records in one batch of the tail, and in one page.
    pub(super) batch: usize,
    pub(super) page: usize,
    flaws: Flaws,
}

impl Log {
    pub(super) fn new(flaws: Flaws, page: usize, room: (usize, usize)) -> Self {
        let mut truth = Truth::default();
        let base = truth.push(Cursor { epoch: 1, seq: 0, tag: 0 }, None, None, None);
        Self {
            truth,
            epoch: 1,
            first: 1,
            base,
            records: VecDeque::new(),
            keys: HashMap::new(),
            summary: Summary::new(room.0, room.1),
            unfolded: Vec::new(),
            room,
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

    /// The last record, or the place before an empty log.
    pub(super) fn tip(&self) -> Place {
        self.records.back().copied().unwrap_or(self.base)
    }

    /// The records in the log.
    pub(super) fn held(&self) -> impl Iterator<Item = Place> {
        self.records.iter().copied()
    }

    /// Whether a user should have lost access to part of this.
    pub(super) fn was_revoked(&self, user: &str, pattern: &Pattern) -> bool {
        self.revoked.iter().any(|(other, lost)| *other == user && lost.overlaps(pattern))
    }

    /// Whether a client or node at this position must be sent a gap: its record, or the next one, is no longer there.
    pub(super) fn fails(&self, at: Cursor) -> bool {
        let lost = self.truth.find(at).is_none_or(|place| self.truth.get(place).lost);
        lost || !matches!(self.locate(at), Location::Held | Location::Trimmed)
    }

    /// Where a cursor lies.
    pub(super) fn locate(&self, at: Cursor) -> Location {
        if at.epoch != self.epoch {
            return Location::Epoch;
        }
        let base = self.truth.get(self.base).at;
        if at.seq < base.seq {
            return match self.summary.locate(at.seq, at.tag) {
                Location::Diverged | Location::Forgotten if self.flaws.forgets_tags => Location::Trimmed,
                location => location,
            };
        }
        match self.cursor(at.seq) {
            Some(cursor) if cursor.tag == at.tag => Location::Held,
            _ => Location::Diverged,
        }
    }

    /// The cursor at a number, if the record is in the log or right before its first one.
    fn cursor(&self, seq: u64) -> Option<Cursor> {
        let base = self.truth.get(self.base).at;
        if seq == base.seq {
            return Some(base);
        }
        let index = usize::try_from(seq.checked_sub(self.first)?).ok()?;
        self.records.get(index).map(|place| self.truth.get(*place).at)
    }

    /// The highest number up to which a key without room in the summary may have been used.
    pub(super) fn floor(&self) -> u64 {
        self.summary.floor()
    }

    fn tag(&self) -> u32 {
        // The epoch is not random, so that a schedule with steps removed remains the same schedule.
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
        // Each record carries its own number, by which it is recognized anywhere.
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

    /// Removes up to `count` records from the front, and keeps their keys.
    pub(super) fn trim(&mut self, count: usize) -> bool {
        let mut late = std::mem::take(&mut self.unfolded);
        for _ in 0..count {
            let Some(place) = self.records.pop_front() else { break };
            self.base = place;
            self.first += 1;
            self.forget(place);
            self.truth.get_mut(place).missing = true;
            late.push(place);
        }
        if self.flaws.folds_late {
            self.unfolded = late.split_off(late.len().saturating_sub(count));
        }
        for place in late {
            let stored = self.truth.get(place);
            let keys = stored.entry.as_ref().map(|entry| entry.routing_keys()).unwrap_or_default();
            self.summary.fold(stored.at.seq, stored.at.tag, keys);
        }
        count > 0
    }

    /// Makes a record unreadable. `known` says whether its receivers can still be told.
    pub(super) fn damage(&mut self, which: usize, known: bool) -> bool {
        let Some(place) = self.records.get(which % self.records.len().max(1)).copied() else { return false };
        let stored = self.truth.get_mut(place);
        let is_event = stored.entry.as_ref().is_some_and(|entry| entry.is_event());
        if is_event && stored.damage.is_none() {
            stored.damage = Some(known);
            stored.missing = true;
        }
        is_event
    }

    /// Loses up to `count` acknowledged records from the end.
    pub(super) fn roll_back(&mut self, count: usize) {
        for _ in 0..count {
            let Some(place) = self.records.pop_back() else { break };
            self.truth.get_mut(place).lost = true;
            self.forget(place);
        }
        self.generation += 1;
    }

    /// Replaces the log by an empty one.
    pub(super) fn wipe(&mut self) {
        self.truth.lose_all();
        self.records.clear();
        self.keys.clear();
        self.summary = Summary::new(self.room.0, self.room.1);
        self.unfolded.clear();
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

    fn read(&self, after: Cursor, limit: usize) -> Result<Vec<Record>, ReadError> {
        match self.locate(after) {
            Location::Held => {}
            Location::Trimmed => return Err(ReadError::Trimmed { base: self.truth.get(self.base).at }),
            Location::Forgotten => return Err(ReadError::Forgotten),
            Location::Diverged => return Err(ReadError::Diverged),
            Location::Epoch => return Err(ReadError::Epoch),
        }
        let skip = usize::try_from(after.seq - (self.first - 1)).unwrap_or(usize::MAX);
        let mut places = self.records.iter().skip(skip).map(|place| self.truth.get(*place)).peekable();
        if !self.flaws.passes_over_damage && places.peek().is_some_and(|stored| stored.damage.is_some()) {
            let (mut through, mut keys) = (after, Some(Vec::new()));
            for stored in places {
                let Some(known) = stored.damage else { break };
                through = stored.at;
                let more = stored.entry.as_ref().filter(|_| known).map(|entry| entry.routing_keys());
                keys = keys.zip(more).map(|(keys, more)| [keys, more].concat());
            }
            return Err(ReadError::Damaged { through, keys });
        }
        let sound = places.take_while(|stored| self.flaws.passes_over_damage || stored.damage.is_none());
        let records = sound.take(limit).filter_map(|stored| {
            let entry = stored.served.clone()?;
            let entry = if stored.damage.is_some() { Arc::new(unheard((*entry).clone())) } else { entry };
            Some(Record { seq: stored.at.seq, tag: stored.at.tag, entry })
        });
        Ok(records.collect())
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

/// A publisher that was cancelled after its event was stored.
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

/// The entry in a form that no stream receives.
fn unheard(entry: Entry) -> Entry {
    let channel = "unheard".parse().expect("a channel");
    Entry { channel, audience: tidings::record::Audience::Channel, ..entry }
}

#[async_trait]
impl Engine for Simulated {
    async fn append(&self, entries: Vec<Arc<Entry>>, _deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
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

    fn tail(&self, after: Cursor) -> Tail {
        let engine = self.clone();
        let generation = self.log.lock().generation;
        let mut state = Some(after);
        let tail = stream::poll_fn(move |_| {
            let Some(after) = state else { return Poll::Ready(None) };
            let log = engine.log.lock();
            if log.out[engine.node] || log.generation != generation {
                state = None;
                return Poll::Ready(Some(Err(ReadError::Unavailable("the tail broke".into()))));
            }
            let read = if log.lags[engine.node] && matches!(log.locate(after), Location::Held) {
                Ok(Vec::new())
            } else {
                log.read(after, log.batch)
            };
            let records = match read {
                Ok(records) => records,
                Err(error) => {
                    state = None;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            let next = records.last().map_or(after, |last| Cursor { seq: last.seq, tag: last.tag, ..after });
            state = Some(next);
            Poll::Ready(Some(Ok(Batch { after, records })))
        });
        tail.boxed()
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        let log = self.reach()?;
        log.read(after, limit.records.min(log.page))
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        let log = self.reach()?;
        let tag = |place| Some(log.truth.get(place).at.tag);
        let (base_tag, last_tag) = (tag(log.base), tag(log.tip()));
        Ok(Bounds { epoch: log.epoch, first: log.first, last: log.last(), base_tag, last_tag })
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        Ok(self.reach()?.cursor(seq))
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let log = self.reach()?;
        Ok(cursors.iter().map(|cursor| log.locate(*cursor)).collect())
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        let log = self.reach()?;
        let moved = keys.iter().map(|key| match log.summary.moved(*key) {
            floor if log.flaws.takes_evicted_for_silent && floor == log.summary.floor() => 0,
            moved => moved,
        });
        Ok(moved.collect())
    }

    /// Nothing happens here, because the schedule trims.
    async fn trim(&self) -> Result<Trim, EngineError> {
        Ok(Trim { removed: 0, more: false })
    }

    fn metadata(&self) -> &dyn Metadata {
        self
    }

    async fn close(&self) {}
}

#[async_trait]
impl Metadata for Simulated {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.reach()?.metadata.get(key).cloned())
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError> {
        let mut log = self.reach()?;
        if log.metadata.get(key).map(Vec::as_slice) != expected {
            return Ok(false);
        }
        match value {
            Some(value) => log.metadata.insert(key.to_owned(), value),
            None => log.metadata.remove(key),
        };
        Ok(true)
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
