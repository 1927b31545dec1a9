//! The tasks that drive the core.

use std::{
    future::{pending, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    follow,
    nodes::BEAT_MS,
    pace::{self, Pace, Round},
    patience, presence_follow,
    shared::Shared,
};
use crate::{
    access,
    clock::{millis, wall_clock_ms},
    config::Config,
    core::Core,
    engine::Engine,
    metrics::Exported,
    peers::Peers,
    presence::Presence,
};

/// How long presence changes are collected before the next ones are sent.
const PRESENCE_HOLD: Duration = Duration::from_millis(50);
/// How old the exported metrics may be. (A recorder is usually scraped every 15 s or so.)
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// How often expired revocations are removed. They refuse nobody meanwhile, because newer credentials are accepted all
/// along.
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);

/// Spawns the tasks. The tasks hold the shared state and never the hub, so that dropping the hub ends them.
pub(super) fn spawn(shared: &Arc<Shared>, engine: &Arc<dyn Engine>, config: &Config) -> Vec<AbortHandle> {
    let tasks: [BoxFuture<'static, ()>; 7] = [
        follow::follow(shared.clone(), engine.clone()).boxed(),
        follow::trim(engine.clone()).boxed(),
        flush(shared.clone()).boxed(),
        tick(shared.clone(), config.heartbeat, config.stall).boxed(),
        announce(shared.clone(), Core::presence).boxed(),
        show(shared.clone()).boxed(),
        forget(shared.clone(), engine.clone(), config.publish_deadline).boxed(),
    ];
    tasks.map(|task| tokio::spawn(supervise(task, shared.clone())).abort_handle()).into()
}

/// Spawns the tasks of a hub that has a way to other nodes.
pub(super) fn spawn_between_nodes(shared: &Arc<Shared>, peers: &Arc<dyn Peers>) -> Vec<AbortHandle> {
    let tasks: [BoxFuture<'static, ()>; 3] = [
        beat(shared.clone(), peers.clone()).boxed(),
        announce(shared.clone(), Core::cluster_presence).boxed(),
        presence_follow::follow(shared.clone(), peers.clone()).boxed(),
    ];
    tasks.map(|task| tokio::spawn(supervise(task, shared.clone())).abort_handle()).into()
}

/// Runs one task of the hub. If the task panics, by a fault of the engine for example, the hub ends its streams and
/// opens no more: otherwise the streams would stay open and receive nothing.
async fn supervise(task: BoxFuture<'static, ()>, shared: Arc<Shared>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        tracing::error!("a task of the hub panicked; the hub ends its streams and opens no more");
        shared.end_streams();
    }
}

/// Wakes connections in rounds. The first record on an idle hub is sent at once; records applied during a round leave
/// with the next one; where rounds would fill most of the time, [`Pace`] spaces them out.
async fn flush(shared: Arc<Shared>) {
    let mut pace = Pace::default();
    let (mut flushed, mut last) = (shared.core.head().seq, Instant::now());
    loop {
        shared.applied.notified().await;
        let started = Instant::now();
        let (head, delivered) = (shared.core.head().seq, shared.core.metrics.deliveries());
        let woken = shared.core.flush();
        // A stream that is not polled for this long belongs to a client that does not read.
        let _ = timeout(pace::LONGEST, poll_fn(|cx| shared.core.poll_round(cx))).await;
        let round = Round {
            records: head.saturating_sub(flushed),
            woken,
            deliveries: shared.core.metrics.deliveries() - delivered,
            took: started.elapsed(),
        };
        let hold = pace.hold(started - last, round);
        (flushed, last) = (head, started);
        // A tokio timer has a resolution of 1 ms.
        if hold.saturating_sub(started.elapsed()) >= Duration::from_millis(1) {
            sleep_until(started + hold).await;
        }
    }
}

/// Exports the figures to the application's metrics recorder.
async fn show(shared: Arc<Shared>) {
    let mut exported = Exported::default();
    if catch_unwind(Exported::describe).is_err() {
        tracing::error!("the metrics recorder panicked; the hub exports no metrics");
        return pending().await;
    }
    loop {
        // The recorder belongs to the application: its panic is no reason to end the streams.
        let told = catch_unwind(AssertUnwindSafe(|| exported.export(&shared.core.stats())));
        if told.is_err() {
            tracing::error!("the metrics recorder panicked; the hub exports no more metrics");
            return pending().await;
        }
        tokio::time::sleep(SHOW_INTERVAL).await;
    }
}

/// Removes expired revocations, in memory and beside the log, and finishes commands that were cancelled half-way.
async fn forget(shared: Arc<Shared>, engine: Arc<dyn Engine>, deadline: Duration) {
    loop {
        tokio::time::sleep(FORGET_INTERVAL).await;
        shared.core.sweep(wall_clock_ms());
        let finished = patience::in_time(access::finish_pending(&*engine, 2 * millis(deadline), deadline)).await;
        if let Err(error) = finished {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "a command that was cancelled half-way could not be finished; trying again in an hour"
            );
        }
        if let Err(error) = patience::in_time(access::access_state(&*engine)).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "expired revocations could not be removed; trying again in an hour"
            );
        }
    }
}

/// Makes heartbeats due, and drops streams whose clients do not read. The task looks eight times per interval, so each
/// heartbeat is at most an eighth of the interval late.
async fn tick(shared: Arc<Shared>, heartbeat: Duration, stall: Duration) {
    let step = (heartbeat / 8).max(Duration::from_millis(1));
    let quiet = millis(heartbeat.saturating_sub(step));
    loop {
        tokio::time::sleep(step).await;
        let now_ms = shared.clock.now_ms();
        shared.core.tick(now_ms, quiet);
        let stalled = shared.core.drop_stalled(now_ms, millis(stall));
        if stalled > 0 {
            tracing::debug!(stalled, "streams dropped whose clients did not read");
            shared.closed.notify_waiters();
        }
    }
}

/// Sends presence changes. The first change is sent at once; changes within the moment after it are sent together.
pub(super) async fn announce(shared: Arc<Shared>, presence: impl Fn(&Core) -> Option<&Presence> + Send) {
    let Some(presence) = presence(&shared.core) else { return };
    loop {
        let due = presence.next_due();
        let due = async {
            match due {
                Some(at) => shared.clock.pause(Duration::from_millis(at.saturating_sub(shared.clock.now_ms()))).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            () = poll_fn(|cx| presence.poll_changed(cx)) => {}
            () = due => {}
        }
        presence.announce(shared.clock.now_ms());
        let revision = presence.watched_revision();
        shared.watched.send_if_modified(|last| std::mem::replace(last, revision.max(*last)) < revision);
        shared.clock.pause(PRESENCE_HOLD).await;
    }
}

/// Sends this node's beat to the other nodes, and checks whether this node should send its clients to them.
async fn beat(shared: Arc<Shared>, peers: Arc<dyn Peers>) {
    /// Nodes that start together are answered together.
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        beat_once(&shared, &*peers).await;
        sleep(PAUSE).await;
        tokio::select! {
            () = sleep(Duration::from_millis(BEAT_MS) - PAUSE) => {}
            () = shared.newcomer.notified() => {}
        }
    }
}

/// Sends one beat, after the streams were ended where the tail stands still here and the log goes on elsewhere.
pub(super) async fn beat_once(shared: &Shared, peers: &dyn Peers) {
    shared.step_aside_if_stalled();
    if let Err(error) = peers.tell(shared.node, shared.beat()).await
        && let Some(left_out) = shared.complaints.due("beat")
    {
        tracing::warn!(
            left_out,
            error = &error as &dyn std::error::Error,
            "the beat could not be sent to the other nodes"
        );
    }
}
