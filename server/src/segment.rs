//! A segment of the log: consecutive records, ready to send, and an index from routing keys to them.
//!
//! The window is a segment that grows and shrinks; pages that are read from the engine for streams further back are
//! other segments.

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use tidings_protocol::Cursor;

use crate::{
    frame::Frame,
    record::{Audience, BYTES_OF_A_PIECE, Entry, Record},
    routing::{self, KeyMap, KeyRef, filed},
};

/// Up to this many records are examined one by one, instead of looking up a connection's keys...
const NEAR: u64 = 3;
/// ...unless one of them is addressed to more users than this.
const FEW_USERS: usize = 8;

/// A record, encoded at most once; every connection sends the same bytes.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) tag: u32,
    pub(crate) entry: Arc<Entry>,
    frame: OnceLock<Frame>,
}

impl Sent {
    /// About how many bytes the record takes, without the index.
    pub(crate) fn weight(&self) -> usize {
        let frame = self.frame.get().map_or(0, |frame| frame.len() + 2 * BYTES_OF_A_PIECE);
        // A queue that has grown has room for half as many items again, on average.
        size_of::<Self>() * 3 / 2 + self.entry.weight() + frame
    }

    /// The frame, if it was encoded.
    pub(crate) fn encoded(&mut self) -> Option<&mut Frame> {
        self.frame.get_mut()
    }
}

/// Consecutive records.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The cursor of the record before the first one.
    base: Cursor,
    records: VecDeque<Sent>,
    /// For each key, the numbers of the records filed under it, ascending.
    index: KeyMap<VecDeque<u64>>,
    /// About how many bytes the index takes.
    index_bytes: usize,
}

/// The bytes that a key takes in the index beside its letters: the counters of its text, its slot in the map (of which
/// at least an eighth is free, and half after the map has grown), and a queue with room for four numbers.
const BYTES_OF_A_KEY: usize = 16 + BYTES_OF_A_PIECE + 48 * 3 / 2 + 32 + BYTES_OF_A_PIECE;
/// The bytes that a record takes in the queue of each of its keys, once the queue is longer.
const BYTES_OF_A_NUMBER: usize = 12;
/// How many numbers are included in the bytes of a key.
const NUMBERS_OF_A_KEY: usize = 4;

/// The bytes that the queue of a key takes with this many numbers, beside the letters of the key.
fn index_bytes(numbers: usize) -> usize {
    if numbers == 0 { 0 } else { BYTES_OF_A_KEY + numbers.saturating_sub(NUMBERS_OF_A_KEY) * BYTES_OF_A_NUMBER }
}

impl Segment {
    /// An empty segment after `base`.
    pub(crate) fn new(base: Cursor) -> Self {
        Self { base, records: VecDeque::new(), index: KeyMap::default(), index_bytes: 0 }
    }

    /// The records that were read after a cursor, as far as their numbers are consecutive.
    pub(crate) fn read(after: Cursor, records: &[Record]) -> Self {
        let mut segment = Self::new(after);
        for record in records {
            if record.seq != segment.last().seq + 1 {
                break;
            }
            segment.push(record, None);
        }
        segment
    }

    /// The cursor before the first record.
    pub(crate) fn base(&self) -> Cursor {
        self.base
    }

    /// The cursor at the last record.
    pub(crate) fn last(&self) -> Cursor {
        match self.records.back() {
            Some(last) => Cursor { seq: self.base.seq + self.records.len() as u64, tag: last.tag, ..self.base },
            None => self.base,
        }
    }

    /// About how many bytes the records take, without the index and the queue's slots.
    pub(crate) fn weight(&self) -> usize {
        self.records.iter().map(Sent::weight).sum::<usize>() + self.index_bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The tag at `seq`, if this segment can tell.
    pub(crate) fn tag(&self, seq: u64) -> Option<u32> {
        if seq == self.base.seq { Some(self.base.tag) } else { self.get(seq).map(|sent| sent.tag) }
    }

    /// The cursor at `seq`, if this segment can tell.
    pub(crate) fn cursor(&self, seq: u64) -> Option<Cursor> {
        self.tag(seq).map(|tag| Cursor { seq, tag, ..self.base })
    }

    fn get(&self, seq: u64) -> Option<&Sent> {
        let at = seq.checked_sub(self.base.seq + 1)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    /// The record at `seq` as it stands in the log.
    pub(crate) fn record(&self, seq: u64) -> Option<Record> {
        self.get(seq).map(|sent| Record { seq, tag: sent.tag, entry: sent.entry.clone() })
    }

    /// The frame of a record of this segment, encoded at the first call.
    pub(crate) fn frame<'a>(&self, seq: u64, sent: &'a Sent) -> &'a Frame {
        sent.frame.get_or_init(|| {
            let record = Record { seq, tag: sent.tag, entry: sent.entry.clone() };
            record.frame(self.base.epoch).into()
        })
    }

    /// Appends the next record, with its frame if that was encoded already.
    pub(crate) fn push(&mut self, record: &Record, frame: Option<Bytes>) {
        filed(&record.entry, |key| {
            let numbers = self.index.or_default(key);
            numbers.push_back(record.seq);
            let before = numbers.len() - 1;
            self.index_bytes +=
                index_bytes(before + 1) - index_bytes(before) + if before == 0 { key.1.len() } else { 0 };
        });
        let frame = frame.map_or_else(OnceLock::new, |frame| OnceLock::from(Frame::from(frame)));
        self.records.push_back(Sent { tag: record.tag, entry: record.entry.clone(), frame });
    }

    /// Removes the first record.
    pub(crate) fn pop_front(&mut self) -> Option<Sent> {
        let front = self.records.pop_front()?;
        self.base = Cursor { seq: self.base.seq + 1, tag: front.tag, ..self.base };
        filed(&front.entry, |key| {
            // A record filed twice under one key (a user named twice) empties the list in the first round.
            let Some(filed) = self.index.get_mut(key) else { return };
            if filed.pop_front().is_some() {
                let left = filed.len();
                self.index_bytes -= index_bytes(left + 1) - index_bytes(left) + if left == 0 { key.1.len() } else { 0 };
            }
            if filed.is_empty() {
                self.index.remove(key);
            }
        });
        Some(front)
    }

    pub(crate) fn front(&self) -> Option<&Sent> {
        self.records.front()
    }

    pub(crate) fn back(&self) -> Option<&Sent> {
        self.records.back()
    }

    /// The encoded frames of the records after `seq`.
    pub(crate) fn frames_after(&mut self, seq: u64) -> impl Iterator<Item = &mut Frame> {
        let from = usize::try_from(seq.saturating_sub(self.base.seq)).unwrap_or(usize::MAX);
        self.records.range_mut(from.min(self.records.len())..).filter_map(Sent::encoded)
    }

    fn is_near(&self, after: u64, up_to: u64) -> bool {
        let is_small = |sent: &Sent| !matches!(&sent.entry.audience, Audience::Users(users) if users.len() > FEW_USERS);
        up_to.saturating_sub(after) <= NEAR && (after + 1..=up_to).filter_map(|seq| self.get(seq)).all(is_small)
    }

    /// The records in `(after, up_to]` that are filed under any of the keys, in order and each once.
    pub(crate) fn gather<'a>(
        &'a self,
        keys: impl Iterator<Item = KeyRef<'a>> + Clone,
        after: u64,
        up_to: u64,
    ) -> impl Iterator<Item = (u64, &'a Sent)> {
        let after = after.max(self.base.seq);
        let mut near = self.is_near(after, up_to).then(|| after + 1..=up_to);
        // Only the lists that have records: mostly none or one, so a linear search for the least head is the fastest
        // merge.
        let looked_up = near.is_none().then(|| keys.clone()).into_iter().flatten();
        let mut lists: Vec<_> = looked_up
            .filter_map(|key| self.index.get(key))
            .filter(|list| list.back().is_some_and(|last| *last > after))
            .map(|list| list.range(list.partition_point(|seq| *seq <= after)..).copied().peekable())
            .collect();
        std::iter::from_fn(move || {
            if let Some(near) = &mut near {
                let records = near.filter_map(|seq| Some((seq, self.get(seq)?)));
                return records.into_iter().find(|(_, sent)| routing::is_filed(&keys, &sent.entry));
            }
            let next = lists.iter_mut().filter_map(|list| list.peek().copied()).min().filter(|seq| *seq <= up_to)?;
            for list in &mut lists {
                while list.peek() == Some(&next) {
                    list.next();
                }
            }
            self.get(next).map(|sent| (next, sent))
        })
    }

    /// About how many bytes the index takes.
    pub(crate) fn index_bytes(&self) -> usize {
        self.index_bytes
    }

    #[cfg(test)]
    pub(crate) fn indexes_nothing(&self) -> bool {
        self.index.is_empty() && self.index_bytes == 0
    }
}
