//! Steady and flood: events at a rate to 1,000 streams.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{QUIET, Record, SUBSCRIBERS, Start, gently};
use crate::{
    publisher::{self, Load},
    report::Key,
    swarm::Swarm,
};

/// Nothing for so long after the last publish means that the rest is lost.
const SILENCE: Duration = Duration::from_secs(1);

/// A rate, and the names of its figures.
pub(super) struct Flow {
    rate: f64,
    cpu: Key,
    user: Key,
    p50: Key,
    p99: Key,
    acknowledged: [Key; 2],
    throughput: Option<Key>,
}

pub(super) const STEADY: Flow = Flow {
    rate: 100.0,
    cpu: Key::SteadyCpu,
    user: Key::SteadyUser,
    p50: Key::SteadyP50,
    p99: Key::SteadyP99,
    acknowledged: [Key::SteadyAck50, Key::SteadyAck99],
    throughput: None,
};

pub(super) const FLOOD: Flow = Flow {
    rate: 1_000.0,
    cpu: Key::FloodCpu,
    user: Key::FloodUser,
    p50: Key::FloodP50,
    p99: Key::FloodP99,
    acknowledged: [Key::FloodAck50, Key::FloodAck99],
    throughput: Some(Key::FloodRate),
};

#[allow(clippy::cast_precision_loss, reason = "counts of millions")]
pub(super) fn run(
    flow: &Flow,
    during: Duration,
    patience: Duration,
    start: Start<'_>,
    record: Record<'_>,
) -> Result<Option<String>> {
    let server = start(QUIET)?;
    let mut swarm = Swarm::new()?;
    gently(&server, &mut swarm, SUBSCRIBERS, patience)?;
    let load = Load { rate: Some(flow.rate), events: u64::MAX, within: during };

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
    let expected = published.events * SUBSCRIBERS as u64;
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
    record(flow.cpu, (after.user + after.system - before.user - before.system) / delivered);
    record(flow.user, (after.user - before.user) / delivered);
    let millis = |nanos: u64| nanos as f64 / 1e6;
    record(flow.p50, millis(tally.latency.value_at_quantile(0.5)));
    record(flow.p99, millis(tally.latency.value_at_quantile(0.99)));
    for (key, quantile) in flow.acknowledged.into_iter().zip([0.5, 0.99]) {
        record(key, millis(published.acknowledged.value_at_quantile(quantile)));
    }
    if let Some(key) = flow.throughput {
        record(key, delivered / last.saturating_duration_since(published.start).as_secs_f64());
    }
    let mut notes = Vec::new();
    let offered = flow.rate * during.as_secs_f64();
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
