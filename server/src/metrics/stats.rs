//! A hub's figures, for use in code.

use std::sync::atomic::Ordering;

use tidings_protocol::{Cursor, frame::GapReason, problem::Code};

use super::{Metrics, REASONS, Timing};

/// The figures of a hub, on this node, from [`Hub::stats`](crate::Hub::stats): gauges of this moment, and counters
/// since the hub was built.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The number of open streams.
    pub connections: usize,
    /// The number of open streams that have not been handed every pending record.
    pub connections_behind: usize,
    /// The most records of the log, of any channel, between such a stream and the head.
    pub lag: u64,
    /// The number of users with at least one open stream.
    pub users: usize,
    /// The last record that this node has applied.
    pub head: Cursor,
    /// The number of events that were published on this node and acknowledged.
    pub published: u64,
    /// The number of events that the engine refused.
    pub publish_refused: u64,
    /// The number of events of which the engine did not say whether it stored them.
    pub publish_unknown: u64,
    /// The number of events handed to streams, counted once per stream; backfilled events included.
    pub deliveries: u64,
    /// The number of bytes handed to streams, control frames included, HTTP's own bytes excluded.
    pub sent_bytes: u64,
    /// The number of gaps sent, by reason.
    pub gaps: Vec<(GapReason, u64)>,
    /// The number of requests that the hub's routes refused, by code; only codes that occurred, in the order of their
    /// first occurrence.
    pub refusals: Vec<(Code, u64)>,
    /// The duration of publish calls, from handing the events to the engine to its answer.
    pub publish_time: Timing,
    /// The time from acknowledging a record to handing it to a stream; for records published on other nodes, from
    /// applying the record on this node. Up to four records a second are timed, with a resolution of 1 ms.
    pub fan_out_time: Timing,
    /// The delivery times that clients reported ([`Routes::latency`](crate::Routes::latency)).
    pub delivery_time: Timing,
}

/// The gauges that the core provides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    pub(crate) connections: usize,
    pub(crate) behind: usize,
    pub(crate) lag: u64,
    pub(crate) users: usize,
    pub(crate) head: Cursor,
}

impl Metrics {
    /// All figures of this node.
    pub(crate) fn stats(&self, gauges: Gauges) -> Stats {
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            connections: gauges.connections,
            connections_behind: gauges.behind,
            lag: gauges.lag,
            users: gauges.users,
            head: gauges.head,
            published: load(&self.published),
            publish_refused: load(&self.refused),
            publish_unknown: load(&self.unknown),
            deliveries: load(&self.deliveries),
            sent_bytes: load(&self.bytes),
            gaps: REASONS.into_iter().zip(self.gaps.iter().map(load)).collect(),
            refusals: self.refusals.lock().clone(),
            publish_time: self.publishing.timing(),
            fan_out_time: self.fan_out.timing(),
            delivery_time: self.delivery.timing(),
        }
    }
}
