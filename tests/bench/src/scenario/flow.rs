//! Events at a rate to many streams, in several shapes, so that no peer is tuned to one of them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{QUIET, Record, Start, gently};
use crate::{
    payload::BYTES,
    publisher::{self, Load},
    report::Key,
    swarm::Swarm,
};

/// A combination of streams and events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// 100 events a second to 1,000 streams.
    Steady,
    /// The same with payloads of 2,000 bytes.
    Large,
    /// 30 events a second to 1,000 streams, so that no two can share a write.
    Sparse,
    /// 300 events a second to 300 streams.
    Few,
    /// 33 events a second to 3,000 streams.
    Many,
    /// 300 events a second to 1,000 streams, more than can be written one by one.
    Dense,
    /// 1,000 events a second to 1,000 streams.
    Flood,
}

impl Shape {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 7] =
        [Self::Steady, Self::Large, Self::Sparse, Self::Few, Self::Many, Self::Dense, Self::Flood];

    /// The name in one word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Large => "large",
            Self::Sparse => "sparse",
            Self::Few => "few",
            Self::Many => "many",
            Self::Dense => "dense",
            Self::Flood => "flood",
        }
    }

    /// How many streams receive each event.
    #[must_use]
    pub fn streams(self) -> usize {
        match self {
            Self::Few => 300,
            Self::Many => 3_000,
            Self::Steady | Self::Large | Self::Sparse | Self::Dense | Self::Flood => 1_000,
        }
    }

    /// Events per second.
    #[must_use]
    pub fn rate(self) -> u32 {
        match self {
            Self::Steady | Self::Large => 100,
            Self::Sparse => 30,
            Self::Few | Self::Dense => 300,
            Self::Many => 33,
            Self::Flood => 1_000,
        }
    }

    /// The length of a payload in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        if self == Self::Large { 2_000 } else { BYTES }
    }

    /// Whether there is time to write each event to each stream by itself, as the floor does.
    #[must_use]
    pub fn can_be_written_one_by_one(self) -> bool {
        !matches!(self, Self::Dense | Self::Flood)
    }
}

/// The figures of each shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Processor time per delivery, µs.
    Cpu,
    /// The part of the processor time outside the kernel, in µs.
    User,
    /// The median time from due to read, in ms.
    P50,
    /// The 99th percentile of the time from due to read, in ms.
    P99,
    /// The median time from POST to answer, in ms.
    Acknowledged50,
    /// The 99th percentile of the time from POST to answer, in ms.
    Acknowledged99,
    /// Deliveries per second.
    Rate,
}

impl Figure {
    /// The title in the table, with its unit.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Cpu => "CPU µs per delivery",
            Self::User => "user part of it",
            Self::P50 => "latency p50, ms",
            Self::P99 => "latency p99, ms",
            Self::Acknowledged50 => "publish ack p50, ms",
            Self::Acknowledged99 => "publish ack p99, ms",
            Self::Rate => "deliveries/s",
        }
    }
}

/// If nothing arrives for this long after the last publish, the remaining events are lost.
const SILENCE: Duration = Duration::from_secs(1);

#[allow(clippy::cast_precision_loss, reason = "counts of millions")]
pub(super) fn run(
    shape: Shape,
    during: Duration,
    patience: Duration,
    start: Start<'_>,
    record: Record<'_>,
) -> Result<Option<String>> {
    let server = start(QUIET)?;
    let mut swarm = Swarm::new()?;
    gently(&server, &mut swarm, shape.streams(), patience)?;
    let load = Load { rate: Some(shape.rate().into()), events: u64::MAX, within: during, bytes: shape.bytes() };

    let before = server.process.cpu()?;
    let done = AtomicBool::new(false);
    let published = thread::scope(|scope| -> Result<_> {
        let publisher = scope.spawn(|| {
            let published = publisher::publish(server.address, load, |payload| server.publish(payload));
            done.store(true, Ordering::Release);
            published
        });
        swarm.read_until(Instant::now() + during + patience, |_| done.load(Ordering::Acquire))?;
        publisher.join().unwrap_or_else(|_| bail!("the publisher panicked"))
    })?;
    let expected = published.events * shape.streams() as u64;
    let end = Instant::now() + patience;
    let silent_since = Instant::now();
    swarm.read_until(end, |tally| {
        let last = tally.last_event.map_or(silent_since, |last| last.max(silent_since));
        tally.events >= expected || last.elapsed() > SILENCE
    })?;
    let after = server.process.cpu()?;

    let tally = swarm.tally();
    let last = tally.last_event.context("no event arrived")?;
    let delivered = tally.events as f64;
    let mut figure = |figure, value| record(Key::Flow(shape, figure), value);
    figure(Figure::Cpu, (after.user + after.system - before.user - before.system) / delivered);
    figure(Figure::User, (after.user - before.user) / delivered);
    let millis = |nanos: u64| nanos as f64 / 1e6;
    figure(Figure::P50, millis(tally.latency.value_at_quantile(0.5)));
    figure(Figure::P99, millis(tally.latency.value_at_quantile(0.99)));
    figure(Figure::Acknowledged50, millis(published.acknowledged.value_at_quantile(0.5)));
    figure(Figure::Acknowledged99, millis(published.acknowledged.value_at_quantile(0.99)));
    if !shape.can_be_written_one_by_one() {
        figure(Figure::Rate, delivered / last.saturating_duration_since(published.start).as_secs_f64());
    }
    let mut notes = Vec::new();
    let offered = f64::from(shape.rate()) * during.as_secs_f64();
    if (published.events as f64) < offered * 0.99 {
        notes.push(format!("took {} of {offered:.0} events offered", published.events));
    }
    notes.extend(published.failure);
    if tally.events < expected {
        let missing = (expected as f64 - delivered) / expected as f64 * 100.0;
        notes.push(format!("{missing:.1} % of the deliveries missing"));
    }
    if tally.lost > 0 {
        let first = tally.first_loss.as_deref().unwrap_or_default();
        notes.push(format!("{} streams lost: {first}", tally.lost));
    }
    Ok((!notes.is_empty()).then(|| notes.join(", ")))
}
