//! The window: the recent records of the log, ready to send, and an index from routing keys to them.
//!
//! It is filled only by what the engine's tail yields, in order, so its records are contiguous and end at the node's
//! **head**. A position before `first - 1` must be served by the engine.

use bytes::Bytes;
use tidings_protocol::{Cursor, frame::GapReason};

use crate::{
    access::AccessState,
    frame,
    record::Record,
    routing::{KeyMap, RouteKey, filed},
    segment::{Segment, Sent},
};

/// How much the window holds. Records leave from the front when any bound is passed.
#[derive(Debug, Clone)]
pub(crate) struct WindowBounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) age_ms: u64,
}

/// What a window has been through. Cursors that were judged before a reset have to be judged anew; streams that stood still over a
/// reset or a skip do not stand at the window's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// How often it started over in another log, or in one that had lost records: connections are told a gap on all of their stream.
    pub(crate) resets: u32,
    /// How often it has gone on further on in the same log.
    pub(crate) skips: u32,
}

impl Lineage {
    /// Whether no reset lies between the two.
    pub(crate) fn is_same_log(self, other: Self) -> bool {
        self.resets == other.resets
    }
}

/// The records in `(from, up_to]` and the keys under which they are filed.
#[derive(Debug)]
pub(crate) struct Dirty {
    pub(crate) keys: Vec<RouteKey>,
    pub(crate) lineage: Lineage,
    pub(crate) from: Cursor,
    pub(crate) up_to: Cursor,
}

#[derive(Debug)]
pub(crate) struct Window {
    bounds: WindowBounds,
    /// Changes with every reset and every skip, so that a connection sees that the window under it is not a continuation.
    lineage: Lineage,
    /// Why the last reset happened: what connections are told.
    reset_reason: GapReason,
    segment: Segment,
    bytes: usize,
    /// Keys under which something was filed since [`take_dirty`](Self::take_dirty).
    dirty: KeyMap<()>,
    /// What the orders up to the head have left in force.
    access: AccessState,
    /// All connections for which a record up to here matters have been woken.
    flushed: Cursor,
}

impl Window {
    /// An empty window whose head is `base`.
    pub(crate) fn new(base: Cursor, bounds: WindowBounds) -> Self {
        Self {
            bounds,
            lineage: Lineage::default(),
            reset_reason: GapReason::Epoch,
            segment: Segment::new(base),
            bytes: 0,
            dirty: KeyMap::default(),
            access: AccessState::default(),
            flushed: base,
        }
    }

    /// Starts over from `base` in what is now the log: another one, or one that lost records this window had.
    /// `access` is what stands there, for the orders on the way have not been seen.
    pub(crate) fn reset(&mut self, base: Cursor, reason: GapReason, access: AccessState) {
        let lineage = Lineage { resets: self.lineage.resets + 1, ..self.lineage };
        *self = Self { lineage, reset_reason: reason, access, ..Self::new(base, self.bounds.clone()) };
    }

    pub(crate) fn access(&self) -> &AccessState {
        &self.access
    }

    pub(crate) fn access_mut(&mut self) -> &mut AccessState {
        &mut self.access
    }

    pub(crate) fn lineage(&self) -> Lineage {
        self.lineage
    }

    pub(crate) fn reset_reason(&self) -> GapReason {
        self.reset_reason
    }

    /// Goes on from `base`, further on in the same log, without what lies between: the records there could not be had. Streams that
    /// stand before it read them from the engine, and are told there what they miss. `access` is what stands at `base` or after.
    pub(crate) fn skip_to(&mut self, base: Cursor, access: AccessState) {
        self.segment = Segment::new(base);
        self.bytes = 0;
        self.dirty = KeyMap::default();
        self.access = access;
        self.flushed = base;
        self.lineage.skips += 1;
    }

    pub(crate) fn epoch(&self) -> u32 {
        self.segment.base().epoch
    }

    /// The position before the first record held.
    pub(crate) fn base(&self) -> Cursor {
        self.segment.base()
    }

    /// The last record applied.
    pub(crate) fn head(&self) -> Cursor {
        self.segment.last()
    }

    pub(crate) fn flushed(&self) -> Cursor {
        self.flushed
    }

    /// The tag at `seq`, if the window can tell.
    pub(crate) fn tag(&self, seq: u64) -> Option<u32> {
        self.segment.tag(seq)
    }

    /// The records themselves.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Appends the next record, already encoded, and trims the front. The caller has looked that it is the next.
    pub(crate) fn apply(&mut self, record: &Record, frame: Bytes) {
        if let Some(control) = record.entry.control() {
            self.access.apply(control, record.seq, record.entry.timestamp.0);
        }
        filed(&record.entry, |key| *self.dirty.or_default(key) = ());
        self.segment.push(record, Some(frame));
        self.bytes += self.segment.back().map_or(0, Sent::weight);
        let oldest = record.entry.timestamp.0.saturating_sub(self.bounds.age_ms);
        while let Some(front) = self.segment.front() {
            let within = self.segment.len() <= self.bounds.records
                && self.taken() <= self.bounds.bytes
                && front.entry.timestamp.0 >= oldest;
            if within {
                break;
            }
            self.trim_front();
        }
    }

    /// About how many bytes it takes. What the allocator cannot give back because something beside it is in use is a sixth of it at most.
    fn taken(&self) -> usize {
        let bytes = self.bytes + self.segment.index_bytes();
        bytes + bytes / 6
    }

    fn trim_front(&mut self) {
        self.bytes -= self.segment.pop_front().map_or(0, |front| front.weight());
    }

    /// What was touched since the last call, its frames put together for those who will take them. The caller wakes its
    /// connections and then says [`flush`](Self::flush).
    pub(crate) fn take_dirty(&mut self) -> Dirty {
        frame::pack(self.segment.frames_after(self.flushed.seq));
        let keys = self.dirty.drain().map(|(key, ())| key).collect();
        Dirty { keys, lineage: self.lineage, from: self.flushed, up_to: self.head() }
    }

    pub(crate) fn flush(&mut self, lineage: Lineage, up_to: Cursor) {
        // A reset in between has moved on by itself.
        if lineage == self.lineage && up_to.seq > self.flushed.seq {
            self.flushed = up_to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use crate::{
        record::{Audience, Entry},
        routing::looked_up,
        testing::entry,
    };

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
        window.segment.gather(keys, after, window.head().seq).map(|(seq, _)| seq).collect()
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
        assert!(window.segment.indexes_nothing());
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
        assert!((8..16).contains(&window.segment.len()), "{} of some 90 KiB each", window.segment.len());
        while !window.segment.is_empty() {
            window.trim_front();
        }
        assert_eq!(window.bytes, 0);
    }

    #[test]
    fn a_reset_changes_the_lineage() {
        let mut window = window(10);
        apply(&mut window, entry("a", "t", "1"));
        window.reset(Cursor { epoch: 2, seq: 5, tag: 7 }, GapReason::Epoch, AccessState::default());
        assert_eq!((window.lineage().resets, window.head().seq, window.tag(1)), (1, 5, None));
    }
}
