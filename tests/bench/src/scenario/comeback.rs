//! Comeback: after a deploy thousands of clients return at the same moment and resume, while events are published and
//! other clients receive them.

use std::{
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use super::{Plan, QUIET, Record, Start, gently, resume};
use crate::{
    payload::BYTES,
    peer::Server,
    publisher::{self, Load},
    report::Key,
    swarm::Swarm,
};

/// The number of clients that stay connected.
const OTHERS: usize = 1_000;
/// Events per second. Each goes to one of the lists, which one in a hundred streams subscribes to.
const RATE: f64 = 200.0;
const LISTS: usize = 100;
/// How many events of its list each returning client has missed.
const MISSED: usize = 10;

pub(super) fn run(plan: &Plan, files: usize, start: Start<'_>, record: Record<'_>) -> Result<Option<String>> {
    let Some(clients) = plan.storms.iter().copied().filter(|clients| clients + OTHERS + 200 <= files).max() else {
        return Ok(Some(format!("only {files} files may be open here")));
    };
    let server = start(QUIET)?;
    let (ready, are_ready) = mpsc::channel();
    let (missed, done) = (AtomicBool::new(false), AtomicBool::new(false));
    let (returned, took, failure) = thread::scope(|scope| -> Result<_> {
        let staying = scope.spawn(|| stay(&server, plan.patience, &ready, &missed, &done));
        // If they fail, their error is the one to report.
        let _ = are_ready.recv_timeout(plan.patience);
        let came_back = come_back(&server, plan.patience, clients, scope, &missed, &done);
        done.store(true, Ordering::Release);
        record(Key::ComebackOthers, staying.join().unwrap_or_else(|_| bail!("those who stay panicked"))?);
        came_back
    })?;
    if returned == clients {
        record(Key::Comeback(clients), took.as_secs_f64());
        return Ok(failure);
    }
    Ok(Some(format!("{returned} of {clients} had caught up after {:.0} s", took.as_secs_f64())))
}

/// The clients that stay: the 99th percentile of the delay of their events in ms, from when the others have missed
/// theirs.
#[allow(clippy::cast_precision_loss, reason = "milliseconds")]
fn stay(
    server: &Server,
    patience: Duration,
    ready: &mpsc::Sender<()>,
    missed: &AtomicBool,
    done: &AtomicBool,
) -> Result<f64> {
    let mut others = Swarm::new()?;
    gently(server, &mut others, OTHERS, patience)?;
    ready.send(()).context("nobody waits for those who stay")?;
    others.read_until(Instant::now() + patience, |_| missed.load(Ordering::Acquire))?;
    others.forget_latencies();
    others.read_until(Instant::now() + patience, |_| done.load(Ordering::Acquire))?;
    ensure!(others.tally().lost == 0, "{} of those who stay were lost", others.tally().lost);
    Ok(others.tally().latency.value_at_quantile(0.99) as f64 / 1e6)
}

/// The clients that return: how many, in what time, and what failed.
fn come_back<'scope>(
    server: &'scope Server,
    patience: Duration,
    clients: usize,
    scope: &'scope thread::Scope<'scope, '_>,
    missed: &AtomicBool,
    done: &'scope AtomicBool,
) -> Result<(usize, Duration, Option<String>)> {
    let id = resume::last_id(server, patience)?;
    let never = AtomicBool::new(false);
    publish(server, Load { rate: None, events: (MISSED * LISTS) as u64, within: patience, bytes: BYTES }, &never)?;
    let mut back = Swarm::new()?;
    back.read_until(Instant::now() + Duration::from_millis(200), |_| false)?;
    missed.store(true, Ordering::Release);
    let live = Load { rate: Some(RATE), events: u64::MAX, within: patience, bytes: BYTES };
    let live = scope.spawn(move || publish(server, live, done));
    back.count_those_with(MISSED as u64);
    let from = Instant::now();
    back.open(server.address, clients, clients, from + patience, |number| server.subscribe(number, Some(&id)))?;
    back.read_until(from + patience, |tally| tally.caught_up + tally.lost >= clients)?;
    let took = from.elapsed();
    done.store(true, Ordering::Release);
    let live = live.join().unwrap_or_else(|_| bail!("the publisher panicked"))?;
    Ok((back.tally().caught_up, took, live.failure))
}

fn publish(server: &Server, load: Load, done: &AtomicBool) -> Result<publisher::Published> {
    let next = AtomicUsize::new(0);
    let request = |payload: &str| {
        let list = next.fetch_add(1, Ordering::Relaxed) % LISTS;
        server.publish_to(&format!("list:{list}"), payload)
    };
    publisher::publish_until(server.address, load, done, request).context("publishing to the lists")
}
