//! A hub's figures in code.

use std::sync::atomic::Ordering;

use tidings_protocol::{Cursor, frame::GapReason, problem::Code};

use super::{Metrics, REASONS, Timing};

/// Figures of a hub, from [`Hub::stats`](crate::Hub::stats): gauges as they are now, and what was counted since it was built, on
/// this node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Open streams.
    pub connections: usize,
    /// Those of them that have not been handed yet what is there for them.
    pub connections_behind: usize,
    /// The most records of the log, of whatever channel, between one of these and the head.
    pub lag: u64,
    /// Users with at least one open stream.
    pub users: usize,
    /// The last record that this node has.
    pub head: Cursor,
    /// Events published here that were acknowledged.
    pub published: u64,
    /// Events that the engine refused.
    pub publish_refused: u64,
    /// Events of which the engine did not say whether it stored them.
    pub publish_unknown: u64,
    /// Events handed to streams, each once for each stream; those of the past too.
    pub deliveries: u64,
    /// Bytes handed to streams, control frames included; without what HTTP adds.
    pub sent_bytes: u64,
    /// Gaps told, by reason.
    pub gaps: Vec<(GapReason, u64)>,
    /// Requests refused by the hub's routes, by code; those that have been, in the order of the first.
    pub refusals: Vec<(Code, u64)>,
    /// Publish calls, from handing them to the engine to its answer.
    pub publish_time: Timing,
    /// From the moment in which a record was acknowledged to that in which a stream was handed it; of records of other nodes, from
    /// that in which this one had it. Four records a second are looked at, in milliseconds.
    pub fan_out_time: Timing,
    /// What clients have reported ([`Routes::latency`](crate::Routes::latency)).
    pub delivery_time: Timing,
}

/// The gauges that the core knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Gauges {
    pub(crate) connections: usize,
    pub(crate) behind: usize,
    pub(crate) lag: u64,
    pub(crate) users: usize,
    pub(crate) head: Cursor,
}

impl Metrics {
    /// Everything that is known.
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
