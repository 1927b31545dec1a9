//! Following the engine's tail into the window, which is the only way in.
//!
//! The hub believes no tail: each batch has to begin where the window ends, number by number and tag by tag. Where the tail says that
//! it cannot go on from there, the window goes on further along in the same log ([`Core::skip_to`]), and each stream finds out by itself
//! what it missed; or it starts over in another one ([`Core::reset`]), and all streams are told.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::StreamExt;
use tidings_protocol::{Cursor, frame::GapReason};
use tokio::time::{sleep, timeout};

use super::{
    patience::{REATTACH_DELAY, SILENCE, in_time},
    shared::Shared,
};
use crate::{
    access,
    clock::{millis, wall_clock_ms},
    complaints::Complaints,
    config::Config,
    core::Core,
    engine::{Batch, Engine, EngineError, Limit, Location, ReadError},
    presence::Presence,
    window::WindowBounds,
};

/// How many records are read at once to fill the window.
const PREFILL_PAGE: Limit = Limit { records: 10_000, bytes: 8 << 20 };

/// A core whose window holds the end of the engine's log, as far as its bounds allow.
pub(super) async fn prefilled(engine: &dyn Engine, config: &Config) -> Result<Core, EngineError> {
    let bounds = in_time(engine.bounds()).await?;
    let depth = u64::try_from(config.window_records).unwrap_or(u64::MAX);
    let from = bounds.last.saturating_sub(depth).max(bounds.first - 1);
    let base = in_time(engine.at(from)).await?.unwrap_or_else(|| bounds.base());
    let bounds =
        WindowBounds { records: config.window_records, bytes: config.window_bytes, age_ms: millis(config.window_age) };
    let deadline = config.publish_deadline;
    if let Err(error) = in_time(access::finish_pending(engine, 2 * millis(deadline), deadline)).await {
        tracing::warn!(error = &*error as &dyn std::error::Error, "a command that was cancelled could not be finished");
    }
    let state = in_time(access::access_state(engine)).await?;
    let core = Core::new(base, bounds, state).with_presence(config.presence.map(Presence::new));
    loop {
        let after = core.head();
        let records = match in_time(engine.read(after, PREFILL_PAGE)).await {
            Ok(records) if records.is_empty() => {
                // Commands that the log still holds may be over.
                core.sweep(wall_clock_ms());
                return Ok(core);
            }
            Ok(records) => records,
            Err(ReadError::Unavailable(source)) => return Err(EngineError(source)),
            Err(ReadError::Trimmed { base: to } | ReadError::Damaged { through: to, .. }) => {
                skip_to(&core, engine, to).await?;
                continue;
            }
            // The log has changed since its bounds were asked for: the tail says how.
            Err(ReadError::Forgotten | ReadError::Diverged | ReadError::Epoch) => return Ok(core),
        };
        if core.apply(&Batch { after, records }).is_err() {
            return Ok(core);
        }
    }
}

/// What came of what a tail yielded.
#[derive(Debug)]
pub(super) enum Taken {
    /// So many records are in the window now.
    Applied(usize),
    /// The window stands elsewhere now: attach again.
    Moved,
    /// The tail broke: attach again, after a while.
    Broken,
}

/// Takes what a tail yielded, or that it ended.
pub(super) async fn take(
    core: &Core,
    engine: &dyn Engine,
    complaints: &Complaints,
    item: Option<Result<Batch, ReadError>>,
) -> Taken {
    let result = match item {
        Some(Ok(batch)) => match core.apply(&batch) {
            Ok(()) if batch.records.is_empty() && lacks_foreseen(core, engine).await => {
                renew_access(core, engine).await
            }
            Ok(()) => return Taken::Applied(batch.records.len()),
            Err(broken) => {
                if let Some(left_out) = complaints.due("order") {
                    tracing::error!(left_out, %broken, "the engine's tail does not go on where the window ends; attaching again");
                }
                return Taken::Broken;
            }
        },
        Some(Err(ReadError::Trimmed { base: to } | ReadError::Damaged { through: to, .. })) => {
            skip_to(core, engine, to).await
        }
        Some(Err(ReadError::Forgotten)) => reset(core, engine, GapReason::Trimmed).await,
        Some(Err(ReadError::Diverged)) => reset(core, engine, GapReason::Diverged).await,
        Some(Err(ReadError::Epoch)) => reset(core, engine, GapReason::Epoch).await,
        Some(Err(ReadError::Unavailable(source))) => Err(EngineError(source)),
        None => Err(EngineError("the tail ended".into())),
    };
    match result {
        Ok(()) => Taken::Moved,
        Err(error) => {
            if let Some(left_out) = complaints.due("tail") {
                tracing::warn!(
                    left_out,
                    error = &error as &dyn std::error::Error,
                    "the engine's tail broke off; attaching again"
                );
            }
            Taken::Broken
        }
    }
}

/// Whether an order is not in the log any more that the log has acknowledged and this node has not read. Nothing else would show that: the node
/// stands before all that was lost. Without this, what such an order revoked would stay revoked here, whatever comes to stand at lower
/// numbers, until the log has grown to where the order stood.
async fn lacks_foreseen(core: &Core, engine: &dyn Engine) -> bool {
    let foreseen = core.foreseen();
    let is_lost = |location: &Location| matches!(location, Location::Diverged | Location::Epoch);
    !foreseen.is_empty() && in_time(engine.locate(&foreseen)).await.is_ok_and(|locations| locations.iter().any(is_lost))
}

/// Judges by what stands beside the log, where this node's own account of the orders is wrong. The window stays where it is, and nobody is told
/// a gap: the node stands before all that was lost.
async fn renew_access(core: &Core, engine: &dyn Engine) -> Result<(), EngineError> {
    let state = in_time(access::access_state(engine)).await?;
    core.renew_access(state);
    Ok(())
}

/// Goes on further along in the same log.
async fn skip_to(core: &Core, engine: &dyn Engine, to: Cursor) -> Result<(), EngineError> {
    // Asked after it is known where the log goes on, so that all that stood up to there has been kept before.
    let state = in_time(access::access_state(engine)).await?;
    // What clients have seen in the part that this node never sees: the engine says whether that was this log.
    let seen = core.late_up_to(to);
    let locations = if seen.is_empty() { Vec::new() } else { in_time(engine.locate(&seen)).await? };
    let good = |(_, location): &(Cursor, Location)| matches!(location, Location::Held | Location::Trimmed);
    let good = seen.into_iter().zip(locations).filter(good).map(|(cursor, _)| cursor).collect();
    tracing::warn!(from = %core.head(), %to, "records of the log cannot be had; going on behind them");
    core.skip_to(to, state, &good);
    Ok(())
}

/// Starts over at the end of what is the log now; every stream is told.
async fn reset(core: &Core, engine: &dyn Engine, reason: GapReason) -> Result<(), EngineError> {
    let to = in_time(engine.bounds()).await?.end();
    let state = in_time(access::access_state(engine)).await?;
    tracing::warn!(%reason, from = %core.head(), %to, "the engine's log is not the one that was followed");
    core.reset(to, reason, state);
    Ok(())
}

/// Reads the engine's tail into the window, for ever.
pub(super) async fn follow(shared: Arc<Shared>, engine: Arc<dyn Engine>) {
    loop {
        if let Taken::Broken = follow_once(&shared, &*engine).await {
            sleep(REATTACH_DELAY).await;
        }
    }
}

async fn follow_once(shared: &Shared, engine: &dyn Engine) -> Taken {
    let mut tail = engine.tail(shared.core.head());
    loop {
        let Ok(item) = timeout(SILENCE, tail.next()).await else {
            if let Some(left_out) = shared.complaints.due("silence") {
                tracing::warn!(left_out, "the engine's tail has said nothing for {SILENCE:?}; attaching again");
            }
            return Taken::Broken;
        };
        let had = shared.core.head().seq;
        match take(&shared.core, engine, &shared.complaints, item).await {
            Taken::Applied(records) => {
                shared.tail_heard_ms.store(shared.clock.now_ms(), Ordering::Relaxed);
                if records > 0 {
                    shared.core.metrics.applied(had, shared.core.head().seq, shared.clock.now_ms());
                    shared.applied.notify_one();
                }
            }
            other => return other,
        }
    }
}

/// Removes from the log what the engine keeps no longer, for ever.
pub(super) async fn trim(engine: Arc<dyn Engine>) {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        match in_time(engine.trim()).await {
            Ok(trim) if trim.more => {}
            Ok(_) => sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the log could not be trimmed");
                sleep(60 * PAUSE).await;
            }
        }
        tokio::task::yield_now().await;
    }
}
