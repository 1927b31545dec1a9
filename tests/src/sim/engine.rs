//! The simulated engine: one log for all nodes, which answers at once and fails on command.
//!
//! Here is the log, as its server has it, in one file because each of its faults meets all of its fields; `handle` is the engine as one
//! node sees it.

mod handle;
mod mode;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use serde_json::value::RawValue;
use tidings::{
    engine::{Location, ReadError, Receipt, Summary},
    record::{Control, Entry, Order, Record},
};
use tidings_protocol::{Cursor, Key, Pattern, event::Timestamp};

pub(super) use self::{
    handle::Simulated,
    mode::{Gate, Mode},
};
use super::{
    op::Live,
    truth::{Place, Truth},
};

/// The most nodes of a log.
pub(super) const NODES: usize = 3;
/// For so long the engine knows the key of an entry, at least.
pub(super) const REMEMBERS_MS: u64 = 20_000;

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
    pub(super) tail_unchecked: bool,
    pub(super) repeats_taken_for_new: bool,
    pub(super) metadata_of_a_follower: bool,
    pub(super) forgets_keys_early: bool,
    pub(super) stores_after_deadline: bool,
    pub(super) reads_less_than_it_has_shown: bool,
    pub(super) silence_taken_for_life: bool,
}

/// An append that nobody waits for any more, on its way to the server.
#[derive(Debug)]
struct Flight {
    entries: Vec<Arc<Entry>>,
    begun_ms: u64,
    deadline_ms: u64,
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
    /// What stood there before each of the last changes, for a follower that is behind, which is a mistake made on purpose.
    metadata_before: VecDeque<BTreeMap<String, Vec<u8>>>,
    /// The answer to the next change of it is lost.
    pub(super) loses_swap: bool,
    flights: Vec<Flight>,
    /// Tails of an older generation break.
    generation: u64,
    /// How often it has lost something.
    pub(super) losses: u64,
    pub(super) now_ms: u64,
    /// The time that has passed, whatever the server's clock says.
    pub(super) elapsed_ms: u64,
    /// Tails go on by number, whatever has become of the log meanwhile, and do not ask whether it is what they have read.
    pub(super) by_number: bool,
    /// Access that users should lose, whether or not the order came into the log.
    pub(super) revoked: Vec<(&'static str, Pattern)>,
    /// Whether the server has subscribed a user.
    pub(super) gives: bool,
    pub(super) mode: Mode,
    /// From which nodes the engine cannot be reached.
    pub(super) out: [bool; NODES],
    /// From which nodes no new records are visible.
    pub(super) lags: [bool; NODES],
    /// The tails of these nodes say nothing at all.
    pub(super) hushed: [bool; NODES],
    /// A follower answers what these nodes read.
    pub(super) stale: [bool; NODES],
    /// How far these nodes know the log: a follower that is behind that is not asked.
    seen: [u64; NODES],
    /// How often the tails of these nodes have begun again where they were opened.
    pub(super) rewinds: [u32; NODES],
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
            metadata_before: VecDeque::new(),
            loses_swap: false,
            flights: Vec::new(),
            generation: 0,
            losses: 0,
            now_ms: 1_700_000_000_000,
            elapsed_ms: 0,
            by_number: false,
            revoked: Vec::new(),
            gives: false,
            mode: Mode::Prompt,
            out: [false; NODES],
            lags: [false; NODES],
            hushed: [false; NODES],
            stale: [false; NODES],
            seen: [0; NODES],
            rewinds: [0; NODES],
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

    /// Stores what was sent at this time.
    fn store(&mut self, entry: Arc<Entry>, begun_ms: u64) -> (Receipt, Option<Place>) {
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
        let stored = self.truth.get_mut(place);
        (stored.begun_ms, stored.stored_ms) = (begun_ms, self.elapsed_ms);
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

    /// What was sent, and nobody waits for, comes to the server, or is lost.
    pub(super) fn land(&mut self, which: usize) {
        let Some(index) = which.checked_rem(self.flights.len()) else { return };
        let Flight { entries, begun_ms, deadline_ms } = self.flights.swap_remove(index);
        if self.elapsed_ms <= deadline_ms || self.flaws.stores_after_deadline {
            for entry in entries {
                self.store(entry, begun_ms);
            }
        }
    }

    /// Everything that is under way comes to the server.
    pub(super) fn land_all(&mut self) {
        while !self.flights.is_empty() {
            self.land(0);
        }
    }

    /// Forgets the keys that it need not know any more.
    pub(super) fn forget_keys(&mut self) {
        let Self { keys, truth, elapsed_ms, flaws, .. } = self;
        keys.retain(|_, receipt| {
            let stored = truth.find(receipt.cursor).map(|place| truth.get(place).stored_ms);
            !flaws.forgets_keys_early && stored.is_some_and(|stored| *elapsed_ms < stored + REMEMBERS_MS)
        });
    }

    /// A node has learned that the log goes on up to here.
    fn show(&mut self, node: usize, seq: u64) {
        self.seen[node] = self.seen[node].max(seq);
    }

    /// What follows a number, whatever stood there before; `None` where the log ends before it.
    fn read_by_number(&self, seq: u64, limit: usize) -> Option<Result<(Cursor, Vec<Record>), ReadError>> {
        let base = self.truth.get(self.base).at;
        let after = if seq <= base.seq { base } else { self.cursor(seq)? };
        Some(self.read(after, limit).map(|records| (after, records)))
    }

    /// Loses up to `count` acknowledged records from the end.
    pub(super) fn roll_back(&mut self, count: usize, live: Live) {
        for _ in 0..count {
            let Some(place) = self.records.pop_back() else { break };
            self.truth.get_mut(place).lost = true;
            self.forget(place);
        }
        self.change_under(live);
    }

    /// The log is not what it was; what tails notice of it.
    fn change_under(&mut self, live: Live) {
        self.losses += 1;
        match live {
            Live::Breaks => self.generation += 1,
            Live::Asks => {}
            Live::GoesOn => self.by_number = true,
        }
    }

    /// Replaces the log by an empty one.
    pub(super) fn wipe(&mut self, live: Live) {
        self.truth.lose_all();
        self.records.clear();
        self.keys.clear();
        self.summary = Summary::new(self.room.0, self.room.1);
        self.unfolded.clear();
        self.epoch += 1;
        self.first = 1;
        self.base = self.truth.push(Cursor { epoch: self.epoch, seq: 0, tag: 0 }, None, None, None);
        self.change_under(live);
    }

    fn forget(&mut self, place: Place) {
        if let Some(entry) = &self.truth.get(place).entry {
            // Where it was forgotten and used again, the later record has it.
            let at = self.truth.get(place).at;
            if self.keys.get(&entry.key).is_some_and(|receipt| receipt.cursor == at) {
                self.keys.remove(&entry.key);
            }
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

/// The entry in a form that no stream receives.
fn unheard(entry: Entry) -> Entry {
    let channel = "unheard".parse().expect("a channel");
    Entry { channel, audience: tidings::record::Audience::Channel, ..entry }
}
