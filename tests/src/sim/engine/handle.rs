//! The engine as one node sees it, which may be less than there is, or later.

use std::{sync::Arc, task::Poll, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use parking_lot::{Mutex, MutexGuard};
use tidings::{
    engine::{
        AppendError, Batch, Bounds, Engine, EngineError, Limit, Location, Metadata, ReadError, Receipt, Remembers,
        RoutingKey, Tail, Trim,
    },
    record::{Entry, Record},
};
use tidings_protocol::Cursor;

use super::{Flight, Log, Mode, REMEMBERS_MS, unheard};
use crate::sim::truth::Place;

/// So many changes are not yet at a follower.
const FOLLOWER_BEHIND: usize = 6;

/// The engine as one node sees it.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Simulated {
    pub(in crate::sim) log: Arc<Mutex<Log>>,
    pub(in crate::sim) node: usize,
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

#[async_trait]
impl Engine for Simulated {
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        let (mode, begun_ms) = {
            let mut log = self.log.lock();
            (std::mem::take(&mut log.mode), log.elapsed_ms)
        };
        match &mode {
            Mode::Refused => return Err(AppendError::Refused("told to".into())),
            Mode::Vanished => return Err(AppendError::Unknown("told to".into())),
            Mode::Late(gate) => gate.pass().await,
            Mode::Orphan => {
                let deadline_ms = begun_ms + u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
                self.log.lock().flights.push(Flight { entries, begun_ms, deadline_ms });
                return Err(AppendError::Unknown("told to".into()));
            }
            Mode::Prompt | Mode::AckLost | Mode::AckLate(_) => {}
        }
        let (receipts, places): (Vec<_>, Vec<_>) = {
            let mut log = self.reach().map_err(|error| AppendError::Refused(error.into()))?;
            entries.into_iter().map(|entry| log.store(entry, begun_ms)).unzip()
        };
        match mode {
            Mode::AckLost => return Err(AppendError::Unknown("told to".into())),
            Mode::AckLate(gate) => {
                let places = places.into_iter().flatten().collect();
                let mut waiting = Waiting { log: self.log.clone(), places };
                gate.pass().await;
                waiting.places.clear();
            }
            Mode::Prompt | Mode::Refused | Mode::Vanished | Mode::Late(_) | Mode::Orphan => {}
        }
        if let Some(last) = receipts.last() {
            self.log.lock().show(self.node, last.cursor.seq);
        }
        Ok(receipts)
    }

    fn tail(&self, after: Cursor) -> Tail {
        let engine = self.clone();
        let (generation, mut rewinds) = {
            let log = self.log.lock();
            (log.generation, log.rewinds[self.node])
        };
        let (start, mut state, mut is_checked) = (after, Some(after), false);
        let tail = stream::poll_fn(move |_| {
            let Some(at) = state else { return Poll::Ready(None) };
            let log = &mut *engine.log.lock();
            let node = engine.node;
            if log.out[node] || log.generation != generation {
                state = None;
                return Poll::Ready(Some(Err(ReadError::Unavailable("the tail broke".into()))));
            }
            if log.hushed[node] {
                let alive = Poll::Ready(Some(Ok(Batch { after: at, records: Vec::new() })));
                return if log.flaws.silence_taken_for_life { alive } else { Poll::Pending };
            }
            let rewound = std::mem::replace(&mut rewinds, log.rewinds[node]) != log.rewinds[node];
            // One that was just opened has asked whether the log holds this.
            is_checked |= log.flaws.tail_unchecked;
            let read = if rewound || log.by_number && is_checked {
                match log.read_by_number(if rewound { start.seq } else { at.seq }, log.batch) {
                    Some(read) => read,
                    None => return Poll::Pending,
                }
            } else if log.lags[node] && matches!(log.locate(at), Location::Held) {
                Ok((at, Vec::new()))
            } else {
                log.read(at, log.batch).map(|records| (at, records))
            };
            let (mut after, mut records) = match read {
                Ok(read) => read,
                Err(error) => {
                    if let ReadError::Trimmed { base: to } | ReadError::Damaged { through: to, .. } = &error {
                        log.show(node, to.seq);
                    }
                    state = None;
                    return Poll::Ready(Some(Err(error)));
                }
            };
            if rewound && log.flaws.repeats_taken_for_new {
                after = at;
                for (seq, record) in (at.seq + 1..).zip(&mut records) {
                    *record = Record { seq, ..record.clone() };
                }
            }
            if log.flaws.tail_unchecked {
                after = Cursor { seq: after.seq, ..at };
            }
            let next = records.last().map_or(after, |last| Cursor { seq: last.seq, tag: last.tag, ..after });
            log.show(node, next.seq);
            (state, is_checked) = (Some(next), true);
            Poll::Ready(Some(Ok(Batch { after, records })))
        });
        tail.boxed()
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        let mut log = self.reach()?;
        let mut records = log.read(after, limit.records.min(log.page));
        match &mut records {
            Ok(records) if log.stale[self.node] => {
                let shown = if log.flaws.reads_less_than_it_has_shown { after.seq } else { log.seen[self.node] };
                records.retain(|record| record.seq <= shown);
            }
            Err(ReadError::Trimmed { base: to } | ReadError::Damaged { through: to, .. }) => {
                log.show(self.node, to.seq);
            }
            _ => {}
        }
        records
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        let mut log = self.reach()?;
        let last = log.last();
        log.show(self.node, last);
        let tag = |place| Some(log.truth.get(place).at.tag);
        let (base_tag, last_tag) = (tag(log.base), tag(log.tip()));
        Ok(Bounds { epoch: log.epoch, first: log.first, last, base_tag, last_tag })
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        let mut log = self.reach()?;
        let cursor = log.cursor(seq);
        cursor.inspect(|at| log.show(self.node, at.seq));
        Ok(cursor)
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let mut log = self.reach()?;
        let located = |cursor: &Cursor| {
            let location = log.locate(*cursor);
            if location == Location::Held {
                log.show(self.node, cursor.seq);
            }
            location
        };
        Ok(cursors.iter().map(located).collect())
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        let log = self.reach()?;
        let moved = keys.iter().map(|key| match log.summary.moved(*key) {
            floor if log.flaws.takes_evicted_for_silent && floor == log.summary.floor() => 0,
            moved => moved,
        });
        Ok(moved.collect())
    }

    fn remembers(&self) -> Remembers {
        Remembers::AtLeast(Duration::from_millis(REMEMBERS_MS))
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
        if log.flaws.metadata_of_a_follower {
            let before = log.metadata.clone();
            log.metadata_before.push_back(before);
            let behind = log.metadata_before.len().saturating_sub(FOLLOWER_BEHIND);
            log.metadata_before.drain(..behind);
        }
        match value {
            Some(value) => log.metadata.insert(key.to_owned(), value),
            None => log.metadata.remove(key),
        };
        if std::mem::take(&mut log.loses_swap) { Err(EngineError("the answer was lost".into())) } else { Ok(true) }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let log = self.reach()?;
        if log.flaws.forgets_commands {
            return Ok(Vec::new());
        }
        let metadata = log.metadata_before.front().unwrap_or(&log.metadata);
        let found = metadata.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}
