//! The window: the recent records of the log, ready to send, and an index from routing keys to them.
//!
//! It is filled only by what the engine's tail yields, in order, so its records are contiguous and end at the node's
//! **head**. A position before `first - 1` must be served by the engine.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tidings_protocol::{Cursor, frame::GapReason};

use crate::{
    frame::{self, Frame},
    record::{Audience, Entry, Record},
    routing::{self, KeyMap, KeyRef, RouteKey, filed},
    standing::Standing,
};

/// So few records are looked at one by one instead of looking up a connection's keys...
const NEAR: u64 = 3;
/// ...unless they are addressed to more users than this.
const FEW_USERS: usize = 8;

/// How much the window holds. Records leave from the front when any bound is passed.
#[derive(Debug, Clone)]
pub(crate) struct WindowBounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) age_ms: u64,
}

/// One record, encoded once; every connection sends these same bytes.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) tag: u32,
    pub(crate) entry: Arc<Entry>,
    pub(crate) frame: Frame,
}

impl Sent {
    /// About how many bytes it takes.
    fn weight(&self) -> usize {
        self.frame.len() + self.entry.audience_bytes()
    }
}

/// The records in `(from, up_to]` and the keys under which they are filed.
#[derive(Debug)]
pub(crate) struct Dirty {
    pub(crate) keys: Vec<RouteKey>,
    pub(crate) lineage: u64,
    pub(crate) from: Cursor,
    pub(crate) up_to: Cursor,
}

#[derive(Debug)]
pub(crate) struct Window {
    bounds: WindowBounds,
    /// Grows with every reset, so that a connection sees that the log under it changed, even within one epoch.
    lineage: u64,
    /// Why the last reset happened: what connections are told.
    reset_reason: GapReason,
    epoch: u32,
    /// The record before the first one held.
    base: Cursor,
    records: VecDeque<Sent>,
    bytes: usize,
    /// For each key, the numbers of the records filed under it, ascending.
    index: KeyMap<VecDeque<u64>>,
    /// Keys under which something was filed since [`take_dirty`](Self::take_dirty).
    dirty: KeyMap<()>,
    /// What the commands up to the head have left in force.
    standing: Standing,
    /// All connections for which a record up to here matters have been woken.
    flushed: Cursor,
}

impl Window {
    /// An empty window whose head is `base`.
    pub(crate) fn new(base: Cursor, bounds: WindowBounds) -> Self {
        Self {
            bounds,
            lineage: 0,
            reset_reason: GapReason::Epoch,
            epoch: base.epoch,
            base,
            records: VecDeque::new(),
            bytes: 0,
            index: KeyMap::default(),
            dirty: KeyMap::default(),
            standing: Standing::default(),
            flushed: base,
        }
    }

    /// Starts over from `base` in what is now the log: another one, or one that lost records this window had.
    /// `standing` is what stands there, for the commands on the way have not been seen.
    pub(crate) fn reset(&mut self, base: Cursor, reason: GapReason, standing: Standing) {
        let lineage = self.lineage + 1;
        *self = Self { lineage, reset_reason: reason, standing, ..Self::new(base, self.bounds.clone()) };
    }

    pub(crate) fn standing(&self) -> &Standing {
        &self.standing
    }

    pub(crate) fn standing_mut(&mut self) -> &mut Standing {
        &mut self.standing
    }

    pub(crate) fn lineage(&self) -> u64 {
        self.lineage
    }

    pub(crate) fn reset_reason(&self) -> GapReason {
        self.reset_reason
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The position before the first record held.
    pub(crate) fn base(&self) -> Cursor {
        self.base
    }

    /// The last record applied.
    pub(crate) fn head(&self) -> Cursor {
        match self.records.back() {
            Some(last) => Cursor { seq: self.base.seq + self.records.len() as u64, tag: last.tag, ..self.base },
            None => self.base,
        }
    }

    pub(crate) fn flushed(&self) -> Cursor {
        self.flushed
    }

    /// The tag at `seq`, if the window can tell.
    pub(crate) fn tag(&self, seq: u64) -> Option<u32> {
        if seq == self.base.seq { Some(self.base.tag) } else { self.get(seq).map(|sent| sent.tag) }
    }

    fn get(&self, seq: u64) -> Option<&Sent> {
        let at = seq.checked_sub(self.base.seq + 1)?;
        self.records.get(usize::try_from(at).ok()?)
    }

    /// The record at `seq` as it stands in the log.
    pub(crate) fn record(&self, seq: u64) -> Option<Record> {
        self.get(seq).map(|sent| Record { seq, tag: sent.tag, entry: sent.entry.clone() })
    }

    /// Appends the next record, already encoded, and trims the front.
    pub(crate) fn apply(&mut self, record: &Record, frame: Bytes) {
        debug_assert_eq!(record.seq, self.head().seq + 1, "the tail is contiguous");
        if let Some(control) = record.entry.control() {
            self.standing.apply(control, record.entry.timestamp.0);
        }
        filed(&record.entry, |key| {
            self.index.or_default(key).push_back(record.seq);
            self.dirty.or_default(key);
        });
        let sent = Sent { tag: record.tag, entry: record.entry.clone(), frame: frame.into() };
        self.bytes += sent.weight();
        self.records.push_back(sent);
        let oldest = record.entry.timestamp.0.saturating_sub(self.bounds.age_ms);
        while let Some(front) = self.records.front() {
            let within = self.records.len() <= self.bounds.records
                && self.bytes <= self.bounds.bytes
                && front.entry.timestamp.0 >= oldest;
            if within {
                break;
            }
            self.trim_front();
        }
    }

    fn trim_front(&mut self) {
        let Some(front) = self.records.pop_front() else { return };
        self.base = Cursor { seq: self.base.seq + 1, tag: front.tag, ..self.base };
        self.bytes -= front.weight();
        filed(&front.entry, |key| {
            // A record filed twice under one key (a user named twice) empties it in the first round.
            let Some(filed) = self.index.get_mut(key) else { return };
            filed.pop_front();
            if filed.is_empty() {
                self.index.remove(key);
            }
        });
    }

    /// What was touched since the last call, its frames put together for those who will take them. The caller wakes its
    /// connections and then says [`flush`](Self::flush).
    pub(crate) fn take_dirty(&mut self) -> Dirty {
        let new = usize::try_from(self.flushed.seq.saturating_sub(self.base.seq)).unwrap_or(usize::MAX);
        frame::pack(self.records.range_mut(new.min(self.records.len())..).map(|sent| &mut sent.frame));
        let keys = self.dirty.drain().map(|(key, ())| key).collect();
        Dirty { keys, lineage: self.lineage, from: self.flushed, up_to: self.head() }
    }

    pub(crate) fn flush(&mut self, lineage: u64, up_to: Cursor) {
        // A reset in between has moved on by itself.
        if lineage == self.lineage && up_to.seq > self.flushed.seq {
            self.flushed = up_to;
        }
    }

    fn is_near(&self, after: u64, up_to: u64) -> bool {
        let is_small = |sent: &Sent| !matches!(&sent.entry.audience, Audience::Users(users) if users.len() > FEW_USERS);
        up_to.saturating_sub(after) <= NEAR && (after + 1..=up_to).filter_map(|seq| self.get(seq)).all(is_small)
    }

    /// The records filed under any of the keys in `(after, up_to]`, in order and each once.
    pub(crate) fn gather<'a>(
        &'a self,
        keys: impl Iterator<Item = KeyRef<'a>> + Clone,
        after: u64,
        up_to: u64,
    ) -> impl Iterator<Item = (u64, &'a Sent)> {
        let after = after.max(self.base.seq);
        let mut near = self.is_near(after, up_to).then(|| after + 1..=up_to);
        // The lists that have something: mostly none or one, so a linear search for the least head is the fastest merge.
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{record::Audience, routing::looked_up, testing::entry};

    const ORIGIN: Cursor = Cursor { epoch: 1, seq: 0, tag: 0 };

    fn window(records: usize) -> Window {
        Window::new(ORIGIN, WindowBounds { records, bytes: usize::MAX, age_ms: u64::MAX })
    }

    fn apply(window: &mut Window, entry: Entry) {
        let seq = window.head().seq + 1;
        let record = Record { seq, tag: u32::try_from(seq).unwrap() + 100, entry: Arc::new(entry) };
        let frame = record.frame(1);
        window.apply(&record, frame);
    }

    fn heard(window: &Window, pattern: &str, after: u64) -> Vec<u64> {
        let keys = looked_up(&pattern.parse().unwrap());
        let keys = keys.iter().map(|(kind, text)| (*kind, &**text));
        window.gather(keys, after, window.head().seq).map(|(seq, _)| seq).collect()
    }

    #[test]
    fn gathers_in_order_and_each_record_once() {
        let mut window = window(10);
        for channel in ["a:1", "b", "a:*", "a:2", "*"] {
            apply(&mut window, entry(channel, "t", "1"));
        }
        assert_eq!(heard(&window, "a:1", 0), [1, 3, 5]);
        assert_eq!(heard(&window, "a:*", 0), [1, 3, 4, 5]);
        assert_eq!(heard(&window, "*", 1), [2, 3, 4, 5]);
    }

    #[test]
    fn trimming_leaves_no_key_behind() {
        let mut window = window(0);
        let mut to_twice = entry("a", "t", "1");
        let ana = tidings_protocol::UserId::new("ana").unwrap();
        to_twice.audience = Audience::Users(vec![ana.clone(), ana]);
        apply(&mut window, to_twice);
        apply(&mut window, entry("a:b:c", "t", "1"));
        assert!(window.index.is_empty());
        assert_eq!(window.base(), Cursor { epoch: 1, seq: 2, tag: 102 });
        assert_eq!(window.tag(2), Some(102));
    }

    #[test]
    fn those_whom_records_are_addressed_to_take_room_too() {
        let mut window = Window::new(ORIGIN, WindowBounds { records: 1_000, bytes: 1 << 20, age_ms: u64::MAX });
        for _ in 0..50 {
            let mut to_many = entry("a", "t", "1");
            let user = |number| tidings_protocol::UserId::new(format!("user-{number}")).unwrap();
            to_many.audience = Audience::Users((0..1_000).map(user).collect());
            apply(&mut window, to_many);
        }
        assert!((10..20).contains(&window.records.len()), "{} of 70 KiB each", window.records.len());
        while !window.records.is_empty() {
            window.trim_front();
        }
        assert_eq!(window.bytes, 0);
    }

    #[test]
    fn a_reset_changes_the_lineage() {
        let mut window = window(10);
        apply(&mut window, entry("a", "t", "1"));
        window.reset(Cursor { epoch: 2, seq: 5, tag: 7 }, GapReason::Epoch, Standing::default());
        assert_eq!((window.lineage(), window.head().seq, window.tag(1)), (1, 5, None));
    }
}
