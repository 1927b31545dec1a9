//! The tasks around the core.

use std::{
    future::{pending, poll_fn},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::BoxStream};
use tidings_protocol::Cursor;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until, timeout},
};

use super::{
    Shared,
    pace::{self, Pace, Round},
};
use crate::{
    clock::{millis, wall_clock_ms},
    config::Config,
    control,
    core::Core,
    engine::{Bounds, Engine, EngineError, Limit},
    meter::Exported,
    presence::Presence,
    record::Record,
    window::WindowBounds,
};

/// How long to wait before the engine is asked again after it failed.
const REATTACH_DELAY: Duration = Duration::from_millis(500);
/// How long news of presence are collected before the next are told.
const PRESENCE_HOLD: Duration = Duration::from_millis(50);
/// How old the figures may be that a recorder shows. (They are looked at every 15 s or so.)
const SHOW_INTERVAL: Duration = Duration::from_secs(1);
/// How often revocations that are over are looked for. They refuse nobody: newer credentials are good all the time.
const FORGET_INTERVAL: Duration = Duration::from_secs(3_600);
/// How many records are read at once to fill the window.
const PREFILL_PAGE: Limit = Limit { records: 10_000, bytes: 8 << 20 };

/// What an engine's tail is.
pub(super) type Tail = BoxStream<'static, Result<Vec<Record>, EngineError>>;

/// A core whose window holds the end of the engine's log, as far as its bounds allow.
pub(super) async fn prefilled(engine: &dyn Engine, config: &Config) -> Result<Core, EngineError> {
    let bounds = engine.bounds().await?;
    let depth = u64::try_from(config.window_records).unwrap_or(u64::MAX);
    let base = cursor_at(engine, &bounds, bounds.last.saturating_sub(depth).max(bounds.first - 1)).await?;
    let core = Core::new(
        base,
        WindowBounds { records: config.window_records, bytes: config.window_bytes, age_ms: millis(config.window_age) },
        control::standing(engine).await?,
    )
    .with_presence(config.presence.map(Presence::new));
    loop {
        let head = core.head().seq;
        let records = engine.read(head, PREFILL_PAGE).await?;
        // Trimming may have overtaken us: the tail will find out and start over.
        if records.first().map(|first| first.seq) != Some(head + 1) {
            return Ok(core);
        }
        core.apply(&records);
    }
}

/// The cursor at a number within the bounds, `first - 1` included.
async fn cursor_at(engine: &dyn Engine, bounds: &Bounds, seq: u64) -> Result<Cursor, EngineError> {
    let base = Cursor { epoch: bounds.epoch, seq: bounds.first - 1, tag: bounds.base_tag };
    if seq <= base.seq {
        return Ok(base);
    }
    let page = engine.read(seq - 1, Limit { records: 1, bytes: 1 }).await?;
    let record = page.first().ok_or_else(|| EngineError("the log shrank while it was read".into()))?;
    Ok(Cursor { epoch: bounds.epoch, seq: record.seq, tag: record.tag })
}

/// Starts the tasks. They hold the shared part, never the hub, so that dropping the hub ends them.
pub(super) fn spawn(shared: &Arc<Shared>, engine: &Arc<dyn Engine>, config: &Config) -> Vec<AbortHandle> {
    let tasks: [BoxFuture<'static, ()>; 6] = [
        follow(shared.clone(), engine.clone()).boxed(),
        flush(shared.clone()).boxed(),
        tick(shared.clone(), config.heartbeat).boxed(),
        announce(shared.clone()).boxed(),
        show(shared.clone()).boxed(),
        forget(shared.clone(), engine.clone()).boxed(),
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

/// Reads the engine's tail into the window, for ever: the only way in.
async fn follow(shared: Arc<Shared>, engine: Arc<dyn Engine>) {
    loop {
        if let Err(error) = follow_once(&shared, &*engine).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "the engine's tail broke off; attaching again");
        }
        tokio::time::sleep(REATTACH_DELAY).await;
    }
}

async fn follow_once(shared: &Shared, engine: &dyn Engine) -> Result<(), EngineError> {
    let mut tail = attach(&shared.core, engine).await?;
    while let Some(records) = tail.next().await {
        let had = shared.core.head().seq;
        shared.core.apply(&records?);
        shared.core.meter.applied(had, shared.core.head().seq, shared.clock.now_ms());
        shared.applied.notify_one();
    }
    Ok(())
}

/// The engine's tail from where the core stands; where the log no longer is the one that the core has followed, from its
/// end, and every connection is told `gap`.
pub(super) async fn attach(core: &Core, engine: &dyn Engine) -> Result<Tail, EngineError> {
    let bounds = engine.bounds().await?;
    let head = core.head();
    let within = head.epoch == bounds.epoch && (bounds.first..=bounds.last).contains(&head.seq);
    let tag = if within { Some(cursor_at(engine, &bounds, head.seq).await?.tag) } else { None };
    if let Err(reason) = core.reattach(&bounds, tag) {
        let now = cursor_at(engine, &bounds, bounds.last).await?;
        // Asked after the bounds, so that all that the log holds up to there has been kept before.
        let standing = control::standing(engine).await?;
        tracing::warn!(%reason, from = %head, to = %now, "the engine's log is not the one that was followed");
        core.reset(now, reason, standing);
    }
    Ok(engine.tail(core.head().seq + 1))
}

/// Wakes connections, round by round: at once for the first record on an idle hub; what is applied during a round leaves with the
/// next, and where rounds fill most of the time [`Pace`] keeps them apart.
async fn flush(shared: Arc<Shared>) {
    let mut pace = Pace::default();
    let (mut flushed, mut last) = (shared.core.head().seq, Instant::now());
    loop {
        shared.applied.notified().await;
        let started = Instant::now();
        let (head, delivered) = (shared.core.head().seq, shared.core.meter.deliveries());
        let woken = shared.core.flush();
        // A stream that is not asked for so long has a client that takes nothing.
        let _ = timeout(pace::LONGEST, poll_fn(|cx| shared.core.poll_round(cx))).await;
        let round = Round {
            records: head.saturating_sub(flushed),
            woken,
            deliveries: shared.core.meter.deliveries() - delivered,
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
    Exported::describe();
    loop {
        exported.tell(&shared.core.stats());
        tokio::time::sleep(SHOW_INTERVAL).await;
    }
}

/// Forgets revocations that are over, here and beside the log.
async fn forget(shared: Arc<Shared>, engine: Arc<dyn Engine>) {
    loop {
        tokio::time::sleep(FORGET_INTERVAL).await;
        shared.core.sweep(wall_clock_ms());
        if let Err(error) = control::standing(&*engine).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "revocations that are over could not be removed");
        }
    }
}

/// Makes heartbeats due. Looking eight times per interval keeps each within an eighth of it.
async fn tick(shared: Arc<Shared>, heartbeat: Duration) {
    let step = (heartbeat / 8).max(Duration::from_millis(1));
    let quiet = millis(heartbeat.saturating_sub(step));
    loop {
        tokio::time::sleep(step).await;
        shared.core.tick(shared.clock.now_ms(), quiet);
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
