//! Following the engine's tail into the window, which is the only way in.
//!
//! The hub verifies every batch: it has to begin where the window ends, by number and by tag. Where the tail reports
//! that it cannot continue from there, the window either continues further along in the same log ([`Core::skip_to`]),
//! and each stream works out what it missed; or it starts over in another log ([`Core::reset`]), and every stream
//! receives a gap.

use std::{collections::HashSet, sync::Arc, time::Duration};

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

/// How many records one read takes to fill the window.
const PREFILL_PAGE: Limit = Limit { records: 10_000, bytes: 8 << 20 };

/// A core whose window holds the end of the engine's log, as far as the window's bounds allow.
pub(super) async fn prefilled(engine: &dyn Engine, config: &Config) -> Result<Core, EngineError> {
    let bounds = in_time(engine.bounds()).await?;
    let depth = u64::try_from(config.window_records).unwrap_or(u64::MAX);
    let from = bounds.last.saturating_sub(depth).max(bounds.first - 1);
    let base = in_time(engine.at(from)).await?.unwrap_or_else(|| bounds.base());
    let bounds =
        WindowBounds { records: config.window_records, bytes: config.window_bytes, age_ms: millis(config.window_age) };
    let deadline = config.publish_deadline;
    if let Err(error) = in_time(access::finish_pending(engine, millis(deadline).saturating_mul(2), deadline)).await {
        tracing::warn!(
            error = &*error as &dyn std::error::Error,
            "a command that was cancelled half-way could not be finished"
        );
    }
    let state = in_time(access::access_state(engine)).await?;
    let core = Core::new(base, bounds, state).with_presence(config.presence.map(Presence::new));
    loop {
        let after = core.head();
        let records = match in_time(engine.read(after, PREFILL_PAGE)).await {
            Ok(records) if records.is_empty() => {
                // Commands that the log still holds may have expired.
                core.sweep(wall_clock_ms());
                return Ok(core);
            }
            Ok(records) => records,
            Err(ReadError::Unavailable(source)) => return Err(EngineError(source)),
            Err(ReadError::Trimmed { base: to } | ReadError::Damaged { through: to, .. }) => {
                skip_to(&core, engine, to).await?;
                continue;
            }
            // The log has changed since its bounds were asked for. The tail will report how.
            Err(ReadError::Forgotten | ReadError::Diverged | ReadError::Epoch) => return Ok(core),
        };
        if core.apply(&Batch { after, records }).is_err() {
            return Ok(core);
        }
    }
}

/// The result of handling one item of the tail.
#[derive(Debug)]
pub(super) enum Taken {
    /// This many records were added to the window.
    Applied(usize),
    /// The window now stands elsewhere: attach to the tail again.
    Moved,
    /// The tail broke: attach again after a delay.
    Broken,
}

/// Handles one item of the tail, or its end (`None`).
pub(super) async fn take(
    core: &Core,
    engine: &dyn Engine,
    complaints: &Complaints,
    item: Option<Result<Batch, ReadError>>,
) -> Taken {
    let result = match item {
        Some(Ok(batch)) => match core.apply(&batch) {
            Ok(()) => {
                let lost = if batch.records.is_empty() { lost_ahead(core, engine).await } else { HashSet::new() };
                core.lose(&lost);
                if core.foreseen().iter().all(|order| !lost.contains(order)) {
                    return Taken::Applied(batch.records.len());
                }
                renew_access(core, engine, &lost).await
            }
            Err(broken) => {
                if let Some(left_out) = complaints.due("order") {
                    tracing::error!(left_out, %broken, "the engine's tail does not go on where the window ends; attaching again");
                }
                return Taken::Broken;
            }
        },
        Some(Err(ReadError::Trimmed { base: to } | ReadError::Damaged { through: to, .. })) => {
            let head = core.head();
            if to.epoch == head.epoch && to.seq > head.seq {
                skip_to(core, engine, to).await
            } else {
                // A tail that has begun again somewhere else, or in another log. The next one is asked first whether the log holds this.
                Err(EngineError("the tail speaks of records that do not follow what it has yielded".into()))
            }
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

/// The cursors beyond this node's head that the log has acknowledged, and lost: of orders that this node foresees, and
/// of records that clients have read at a node further ahead. Nothing else would show that, because this node's position
/// lies before everything that was lost. Without this check, what such an order revoked would stay revoked on this node,
/// and such a client would wait in silence, whatever is appended at lower numbers, until the log has grown to there again.
async fn lost_ahead(core: &Core, engine: &dyn Engine) -> HashSet<Cursor> {
    let mut ahead = core.foreseen();
    ahead.extend(core.late_up_to(Cursor { seq: u64::MAX, ..core.head() }));
    if ahead.is_empty() {
        return HashSet::new();
    }
    // The next empty batch asks again.
    let locations = in_time(engine.locate(&ahead)).await.unwrap_or_default();
    let is_lost = |(_, location): &(Cursor, Location)| matches!(location, Location::Diverged | Location::Epoch);
    ahead.into_iter().zip(locations).filter(is_lost).map(|(cursor, _)| cursor).collect()
}

/// Reloads the access state from the metadata beside the log, because this node's own state contains an order that the
/// log has lost. The window stays where it is and no stream receives a gap, because this node's position lies before
/// everything that was lost.
async fn renew_access(core: &Core, engine: &dyn Engine, lost: &HashSet<Cursor>) -> Result<(), EngineError> {
    let state = in_time(access::access_state(engine)).await?;
    core.renew_access(state, lost);
    Ok(())
}

/// Moves the window further along in the same log.
async fn skip_to(core: &Core, engine: &dyn Engine, to: Cursor) -> Result<(), EngineError> {
    // The state is read after the new position is known, so it includes every order up to that position.
    let state = in_time(access::access_state(engine)).await?;
    // Clients may have seen records in the part that this node never reads. The engine says whether those records were
    // of this log.
    let seen = core.late_up_to(to);
    let locations = if seen.is_empty() { Vec::new() } else { in_time(engine.locate(&seen)).await? };
    let good = |(_, location): &(Cursor, Location)| matches!(location, Location::Held | Location::Trimmed);
    let good = seen.into_iter().zip(locations).filter(good).map(|(cursor, _)| cursor).collect();
    tracing::warn!(from = %core.head(), %to, "records of the log are missing or damaged; continuing after them");
    core.skip_to(to, state, &good);
    Ok(())
}

/// Starts over at the end of the engine's present log. Every stream receives a gap.
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
                shared.hear_tail();
                if records > 0 {
                    shared.core.metrics.applied(had, shared.core.head().seq, shared.clock.now_ms());
                    shared.applied.notify_one();
                }
            }
            other => return other,
        }
    }
}

/// Trims the engine's log to the engine's bounds, for ever.
pub(super) async fn trim(engine: Arc<dyn Engine>) {
    const PAUSE: Duration = Duration::from_secs(1);
    loop {
        match in_time(engine.trim()).await {
            Ok(trim) if trim.more => {}
            Ok(_) => sleep(PAUSE).await,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the log could not be trimmed; trying again in a minute"
                );
                sleep(60 * PAUSE).await;
            }
        }
        tokio::task::yield_now().await;
    }
}
