//! The figures that a hub counts. Streams add once per write and publishers once per batch, to counters of our own; a
//! task exports them to the facade `metrics` at intervals, so that no delivery pays for the export. Durations are
//! recorded where they are measured, through handles that were looked up once, when the hub was built.
//!
//! Labels hold reasons, codes and outcomes only, and nothing that comes from a client.

mod export;
mod stats;
mod timing;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use ::metrics::histogram;
pub(crate) use export::Exported;
use parking_lot::Mutex;
pub(crate) use stats::Gauges;
pub use stats::Stats;
use tidings_protocol::{frame::GapReason, problem::Code};
use timing::Timer;
pub use timing::Timing;

/// How long one record is timed before another one is chosen.
const MARK_MS: u64 = 250;

/// The reasons of gaps, in the order in which they are counted.
const REASONS: [GapReason; 4] = [GapReason::Malformed, GapReason::Epoch, GapReason::Trimmed, GapReason::Diverged];

#[derive(Debug)]
pub(crate) struct Metrics {
    published: AtomicU64,
    refused: AtomicU64,
    unknown: AtomicU64,
    deliveries: AtomicU64,
    bytes: AtomicU64,
    gaps: [AtomicU64; REASONS.len()],
    refusals: Mutex<Vec<(Code, u64)>>,
    publishing: Timer,
    fan_out: Timer,
    delivery: Timer,
    mark: Probe,
}

/// The one record whose way to its streams is timed. One at a time shows the distribution, without a cost for every
/// delivery.
#[derive(Debug, Default)]
struct Probe {
    seq: AtomicU64,
    /// When the record was acknowledged on this node, or when the node applied it if that was earlier or it was
    /// published elsewhere; in the driver's milliseconds.
    at_ms: AtomicU64,
    /// Held while both are set, so that they belong to the same record.
    setting: Mutex<()>,
}

impl Probe {
    fn is_old(&self, now_ms: u64) -> bool {
        let age_ms = now_ms.saturating_sub(self.at_ms.load(Ordering::Relaxed));
        age_ms >= MARK_MS || self.seq.load(Ordering::Relaxed) == 0
    }

    /// Times this record in place of an old one, unless the old one has not reached this node yet, which has applied
    /// everything up to `had`.
    fn replace(&self, now_ms: u64, seq: u64, had: impl FnOnce() -> u64) {
        if !self.is_old(now_ms) {
            return;
        }
        let had = had();
        let _setting = self.setting.lock();
        if self.is_old(now_ms) && self.seq.load(Ordering::Relaxed) <= had && seq > had {
            self.at_ms.store(now_ms, Ordering::Relaxed);
            self.seq.store(seq, Ordering::Release);
        }
    }
}

/// The outcome of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Acknowledged,
    Refused,
    Unknown,
}

/// The figures of one step of a stream.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// The stream's position before the step, if it had sent everything then.
    pub(crate) from: Option<u64>,
    /// The number of records, live or backfilled.
    pub(crate) records: u64,
    /// The number of bytes, control frames included.
    pub(crate) bytes: u64,
    /// The gaps that were sent.
    pub(crate) gaps: Vec<GapReason>,
}

impl Metrics {
    /// Looks up the handles of the recorder that is installed by now.
    pub(crate) fn new() -> Self {
        Self {
            published: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            deliveries: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            gaps: Default::default(),
            refusals: Mutex::default(),
            publishing: Timer::new(histogram!("tidings_publish_seconds")),
            fan_out: Timer::new(histogram!("tidings_fan_out_seconds")),
            delivery: Timer::new(histogram!("tidings_delivery_seconds")),
            mark: Probe::default(),
        }
    }

    /// Counts events that were handed to the engine together.
    pub(crate) fn published(&self, events: usize, outcome: Outcome, took: Duration) {
        let counter = match outcome {
            Outcome::Acknowledged => &self.published,
            Outcome::Refused => &self.refused,
            Outcome::Unknown => &self.unknown,
        };
        counter.fetch_add(events as u64, Ordering::Relaxed);
        self.publishing.add(took);
    }

    /// Counts a refused request.
    pub(crate) fn refused(&self, code: Code) {
        let mut refusals = self.refusals.lock();
        match refusals.iter_mut().find(|(other, _)| *other == code) {
            Some((_, count)) => *count += 1,
            None => refusals.push((code, 1)),
        }
    }

    /// Times the record of an event that was published on this node. The node has applied everything up to `had`.
    pub(crate) fn acknowledged(&self, seq: u64, now_ms: u64, had: impl FnOnce() -> u64) {
        self.mark.replace(now_ms, seq, had);
    }

    /// Times a record that the node has applied now, after everything up to `had`.
    pub(crate) fn applied(&self, had: u64, seq: u64, now_ms: u64) {
        self.mark.replace(now_ms, seq, || had);
    }

    /// Stops timing the current record, because the log has changed.
    pub(crate) fn forget_probe(&self) {
        let _setting = self.mark.setting.lock();
        self.mark.seq.store(0, Ordering::Release);
    }

    /// Counts what a stream has written up to this record.
    pub(crate) fn wrote(&self, written: &Written, up_to: u64, now_ms: u64) {
        self.bytes.fetch_add(written.bytes, Ordering::Relaxed);
        for reason in &written.gaps {
            if let Some(index) = REASONS.iter().position(|other| other == reason) {
                self.gaps[index].fetch_add(1, Ordering::Relaxed);
            }
        }
        if written.records == 0 {
            return;
        }
        self.deliveries.fetch_add(written.records, Ordering::Relaxed);
        let marked = self.mark.seq.load(Ordering::Acquire);
        // A stream that was behind when the record came is catching up; `lag` counts that.
        if written.from.is_some_and(|from| from < marked) && marked <= up_to {
            let took = now_ms.saturating_sub(self.mark.at_ms.load(Ordering::Relaxed));
            self.fan_out.add(Duration::from_millis(took));
        }
    }

    /// The number of records written to streams, live or backfilled.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries.load(Ordering::Relaxed)
    }

    /// Records a delivery time that a client measured.
    pub(crate) fn delivered(&self, took: Duration) {
        self.delivery.add(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_that_a_stream_passes_is_timed_once() {
        let metrics = Metrics::new();
        let from = |from| Written { from, records: 1, bytes: 10, gaps: vec![GapReason::Trimmed] };
        metrics.applied(4, 5, 1_000);
        metrics.applied(5, 6, 1_100);
        metrics.wrote(&from(Some(4)), 6, 1_007);
        metrics.wrote(&from(Some(6)), 7, 1_200);
        metrics.wrote(&from(None), 7, 1_300);
        metrics.wrote(&Written { from: Some(4), ..Written::default() }, 6, 1_300);
        metrics.applied(7, 8, 1_250);
        metrics.wrote(&from(Some(7)), 8, 1_253);
        let timing = metrics.fan_out.timing();
        assert_eq!((timing.count, timing.total, timing.longest.as_millis()), (2, Duration::from_millis(10), 7));
        assert_eq!(metrics.deliveries.load(Ordering::Relaxed), 4);
        assert_eq!(metrics.gaps[2].load(Ordering::Relaxed), 4);
    }
    #[test]
    fn a_record_is_timed_from_its_acknowledgement_however_late_the_node_gets_it() {
        let metrics = Metrics::new();
        let written = Written { from: Some(4), records: 1, ..Written::default() };
        metrics.acknowledged(5, 1_000, || 4);
        // A later record is under way, but the timed one is not replaced before it arrives.
        metrics.acknowledged(6, 1_300, || 4);
        metrics.applied(3, 4, 1_400);
        metrics.applied(4, 6, 1_400);
        metrics.wrote(&written, 6, 1_407);
        assert_eq!(metrics.fan_out.timing().total, Duration::from_millis(407));
        // The node applied this record before its publisher was acknowledged.
        metrics.applied(6, 7, 2_000);
        metrics.acknowledged(7, 2_300, || 7);
        metrics.wrote(&Written { from: Some(6), ..written.clone() }, 7, 2_301);
        assert_eq!(metrics.fan_out.timing().total, Duration::from_millis(407 + 301));
    }

    #[test]
    fn a_cursor_of_another_log_hides_nothing() {
        let metrics = Metrics::new();
        metrics.acknowledged(1_000, 1_000, || 999);
        metrics.forget_probe();
        metrics.applied(0, 1, 2_000);
        metrics.wrote(&Written { from: Some(0), records: 1, ..Written::default() }, 1, 2_005);
        assert_eq!(metrics.fan_out.timing().total, Duration::from_millis(5));
    }
}
