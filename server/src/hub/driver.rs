//! The tasks around the core.

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
    patience,
    shared::Shared,
};
use crate::{
    access,
    clock::{millis, wall_clock_ms},
    config::Config,
    engine::Engine,
    metrics::Exported,
    peers::Peers,
};

/// How long news of presence are collected before the next are told.
const PRESENCE_HOLD: Duration = Duration::from_millis(50);
/// How old the figures may be that a recorder shows. (They are looked at every 15 s or so.)
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// How often revocations that are over are looked for. They refuse nobody: newer credentials are good all the time.
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);

/// Starts the tasks. They hold the shared part, never the hub, so that dropping the hub ends them.
pub(super) fn spawn(shared: &Arc<Shared>, engine: &Arc<dyn Engine>, config: &Config) -> Vec<AbortHandle> {
    let tasks: [BoxFuture<'static, ()>; 7] = [
        follow::follow(shared.clone(), engine.clone()).boxed(),
        follow::trim(engine.clone()).boxed(),
        flush(shared.clone()).boxed(),
        tick(shared.clone(), config.heartbeat, config.stall).boxed(),
        announce(shared.clone()).boxed(),
        show(shared.clone()).boxed(),
        forget(shared.clone(), engine.clone(), config.publish_deadline).boxed(),
    ];
    tasks.map(|task| tokio::spawn(supervise(task, shared.clone())).abort_handle()).into()
}

/// Runs a task of the hub. Should it panic, by a fault of the engine say, the hub ends its streams and opens no more: without the task they
/// would stay open, and nothing would arrive on them.
async fn supervise(task: BoxFuture<'static, ()>, shared: Arc<Shared>) {
    if AssertUnwindSafe(task).catch_unwind().await.is_err() {
        tracing::error!("a task of the hub panicked; its streams end, and it opens no more");
        shared.end_streams();
    }
}

/// Wakes connections, round by round: at once for the first record on an idle hub; what is applied during a round leaves with the
/// next, and where rounds fill most of the time [`Pace`] keeps them apart.
async fn flush(shared: Arc<Shared>) {
    let mut pace = Pace::default();
    let (mut flushed, mut last) = (shared.core.head().seq, Instant::now());
    loop {
        shared.applied.notified().await;
        let started = Instant::now();
        let (head, delivered) = (shared.core.head().seq, shared.core.metrics.deliveries());
        let woken = shared.core.flush();
        // A stream that is not asked for so long has a client that takes nothing.
        let _ = timeout(pace::LONGEST, poll_fn(|cx| shared.core.poll_round(cx))).await;
        let round = Round {
            records: head.saturating_sub(flushed),
            woken,
            deliveries: shared.core.metrics.deliveries() - delivered,
            took: started.elapsed(),
        };
        let hold = pace.hold(started - last, round);
        (flushed, last) = (head, started);
        // What is shorter than that, no timer knows.
        if hold.saturating_sub(started.elapsed()) >= Duration::from_millis(1) {
            sleep_until(started + hold).await;
        }
    }
}

/// Shows the figures to whoever has installed a recorder.
async fn show(shared: Arc<Shared>) {
    let mut exported = Exported::default();
    if catch_unwind(Exported::describe).is_err() {
        tracing::error!("the metrics recorder panicked; it is shown nothing");
        return pending().await;
    }
    loop {
        // The recorder is the application's: what it does wrong is no reason to end the streams.
        let told = catch_unwind(AssertUnwindSafe(|| exported.export(&shared.core.stats())));
        if told.is_err() {
            tracing::error!("the metrics recorder panicked; it is shown nothing more");
            return pending().await;
        }
        tokio::time::sleep(SHOW_INTERVAL).await;
    }
}

/// Forgets revocations that are over, here and beside the log, and finishes commands that were cancelled half-way.
async fn forget(shared: Arc<Shared>, engine: Arc<dyn Engine>, deadline: Duration) {
    loop {
        tokio::time::sleep(FORGET_INTERVAL).await;
        shared.core.sweep(wall_clock_ms());
        let finished = patience::in_time(access::finish_pending(&*engine, 2 * millis(deadline), deadline)).await;
        if let Err(error) = finished {
            tracing::warn!(
                error = &*error as &dyn std::error::Error,
                "a command that was cancelled could not be finished"
            );
        }
        if let Err(error) = patience::in_time(access::access_state(&*engine)).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "revocations that are over could not be removed");
        }
    }
}

/// Makes heartbeats due, and gives up on streams whose clients take nothing. Looking eight times per interval keeps each within an eighth of it.
async fn tick(shared: Arc<Shared>, heartbeat: Duration, stall: Duration) {
    let step = (heartbeat / 8).max(Duration::from_millis(1));
    let quiet = millis(heartbeat.saturating_sub(step));
    loop {
        tokio::time::sleep(step).await;
        let now_ms = shared.clock.now_ms();
        shared.core.tick(now_ms, quiet);
        let stalled = shared.core.drop_stalled(now_ms, millis(stall));
        if stalled > 0 {
            tracing::debug!(stalled, "streams took nothing of what was due for them");
            shared.closed.notify_waiters();
        }
    }
}

/// Tells who comes and goes. The first change is told at once; those of the moment after it together.
async fn announce(shared: Arc<Shared>) {
    let Some(presence) = shared.core.presence() else { return };
    loop {
        let due = presence.next_due();
        let due = async {
            match due {
                Some(at) => tokio::time::sleep(Duration::from_millis(at.saturating_sub(shared.clock.now_ms()))).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = poll_fn(|cx| presence.poll_changed(cx)) => {}
            () = due => {}
        }
        presence.announce(shared.clock.now_ms());
        tokio::time::sleep(PRESENCE_HOLD).await;
    }
}

/// Tells the other nodes that this one is there, and sees whether it had better send its clients to them.
pub(super) async fn beat(shared: Arc<Shared>, peers: Arc<dyn Peers>) {
    /// Nodes that come together hear of each other together.
    const PAUSE: Duration = Duration::from_millis(100);
    loop {
        shared.step_aside_if_stalled();
        if let Err(error) = peers.tell(shared.node, shared.beat()).await
            && let Some(left_out) = shared.complaints.due("beat")
        {
            tracing::warn!(
                left_out,
                error = &error as &dyn std::error::Error,
                "other nodes cannot be told that this one is there"
            );
        }
        sleep(PAUSE).await;
        tokio::select! {
            () = sleep(Duration::from_millis(BEAT_MS) - PAUSE) => {}
            () = shared.newcomer.notified() => {}
        }
    }
}
