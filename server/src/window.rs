//! The window: the recent records of the log, ready to send, and an index from routing keys to them.
//!
//! Only the engine's tail fills it, in order, so its records are contiguous and end at the node's **head**. The engine
//! must serve a position before `first - 1`.

use bytes::Bytes;
use tidings_protocol::{Cursor, frame::GapReason};

use crate::{
    access::AccessState,
    frame,
    record::Record,
    routing::{KeyMap, RouteKey, filed},
    segment::{Segment, Sent},
};

/// The bounds of the window. Records leave from the front when any bound is exceeded.
#[derive(Debug, Clone)]
pub(crate) struct WindowBounds {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) age_ms: u64,
}

/// The history of a window. A cursor that was judged before a reset has to be judged again, and a stream that stood
/// still during a reset or a skip does not stand at the window's end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lineage {
    /// How often the window started over in another log, or in one that had lost records; every connection is sent a
    /// gap then.
    pub(crate) resets: u32,
    /// How often the window skipped ahead in the same log.
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
    /// Changes with every reset and skip, so that a connection notices that the window does not continue where it
    /// stood.
    lineage: Lineage,
    /// The reason of the last reset, which connections are sent.
    reset_reason: GapReason,
    segment: Segment,
    bytes: usize,
    /// The keys under which records were filed since [`take_dirty`](Self::take_dirty).
    dirty: KeyMap<()>,
    /// The access state at the head.
    access: AccessState,
    /// Every connection that receives a record up to here has been woken.
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

    /// Starts over from `base`, in another log or in one that lost records of this window. `access` is the access state
    /// at `base`, because the orders in between were not seen.
    pub(crate) fn reset(&mut self, base: Cursor, reason: GapReason, mut access: AccessState) {
        let lineage = Lineage { resets: self.lineage.resets + 1, ..self.lineage };
        access.keep_foreseen(&self.access, |cursor| is_beyond(cursor, base));
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

    /// Continues from `base`, further along in the same log, without the records in between, which are missing or
    /// damaged. Streams that stand before `base` read the engine's log and learn there what they missed. `access` is
    /// the access state at `base` or later.
    pub(crate) fn skip_to(&mut self, base: Cursor, mut access: AccessState) {
        access.keep_foreseen(&self.access, |cursor| is_beyond(cursor, base));
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

    /// The cursor of the record before the first one in the window.
    pub(crate) fn base(&self) -> Cursor {
        self.segment.base()
    }

    /// The cursor of the last record applied.
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

    /// The records of the window.
    pub(crate) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Appends the next record with its frame, and trims the front. The caller has checked that it is the next.
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

    /// About how many bytes the window takes. Memory that the allocator cannot return, because something beside it is
    /// in use, is at most a sixth of it.
    fn taken(&self) -> usize {
        let bytes = self.bytes + self.segment.index_bytes();
        bytes + bytes / 6
    }

    fn trim_front(&mut self) {
        self.bytes -= self.segment.pop_front().map_or(0, |front| front.weight());
    }

    /// The keys touched since the last call. The frames of those records are packed together for the connections that
    /// will send them. The caller wakes the connections and then calls [`flush`](Self::flush).
    pub(crate) fn take_dirty(&mut self) -> Dirty {
        frame::pack(self.segment.frames_after(self.flushed.seq));
        let keys = self.dirty.drain().map(|(key, ())| key).collect();
        Dirty { keys, lineage: self.lineage, from: self.flushed, up_to: self.head() }
    }

    pub(crate) fn flush(&mut self, lineage: Lineage, up_to: Cursor) {
        // A reset in between has set the position itself.
        if lineage == self.lineage && up_to.seq > self.flushed.seq {
            self.flushed = up_to;
        }
    }
}

/// Whether an order lies beyond a place in the same log.
fn is_beyond(order: Cursor, place: Cursor) -> bool {
    order.epoch == place.epoch && order.seq > place.seq
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
