//! The timer: read, start, stop, move it to another device, and continue with the next phase.

mod model;
mod store;

use axum::{Json, extract::State};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use shared::{Body, Db, Error, User, now_ms, to_the_end};
use tidings::{DeviceId, Event, Origin, Typed, UserId};
use ts_rs::TS;

use self::{
    model::{Mode, PhaseKind, Timer},
    store::TimerState,
};
use crate::{App, devices, error};

const TITLE_CHARS: usize = 120;
const PLANNED_MINUTES: std::ops::RangeInclusive<u32> = 1..=1440;

/// Events for a user's other tabs and devices.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum TimerEvent {
    Started(TimerState),
    Stopped(TimerState),
    Moved(TimerState),
    /// A Pomodoro goes on to another phase.
    Updated(TimerState),
}

impl Typed for TimerEvent {
    const CHANNEL: &'static str = "timer";
}

/// The answer to every request here: the state, and the server's clock, to correct the device's clock. (An event carries the state
/// alone, because it may be read long after it was written.)
#[derive(Serialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(rename = "TimerSnapshot")]
pub(crate) struct Snapshot {
    #[ts(type = "number")]
    server_now: i64,
    #[serde(flatten)]
    state: TimerState,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Start {
    title: String,
    mode: Mode,
    planned_minutes: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Move {
    device_id: String,
}

/// Without a `kind`, the next phase. The `revision` that the caller has seen keeps two devices that continue at the
/// same moment from skipping a phase: the second call is refused.
#[derive(Deserialize)]
pub(crate) struct GoTo {
    kind: Option<PhaseKind>,
    revision: Option<i64>,
}

/// `GET /api/timer`.
pub(crate) async fn current(State(db): State<Db>, user: User) -> Result<Json<Snapshot>, Error> {
    Ok(snapshot(db.transact(move |tx| store::state(tx, &user.id)).await?))
}

/// `POST /api/timers/start`: replaces a running timer, here or on another device.
pub(crate) async fn start(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(wanted): Body<Start>,
) -> Result<Json<Snapshot>, Error> {
    let title = wanted.title.trim().to_owned();
    if title.is_empty() || title.chars().count() > TITLE_CHARS || title.chars().any(char::is_control) {
        return Err(Error::invalid("A title is 1 to 120 plain characters."));
    }
    if wanted.planned_minutes.is_some_and(|minutes| !PLANNED_MINUTES.contains(&minutes)) {
        return Err(Error::invalid("A plan is 1 to 1440 minutes."));
    }
    let device = origin.device_id.as_ref().map(ToString::to_string);
    change(app, user, origin, TimerEvent::Started, move |tx, user| {
        let timer = Timer::start(title, wanted.mode, wanted.planned_minutes, device, now_ms());
        store::put(tx, user, &timer)?;
        Ok(true)
    })
    .await
}

/// `POST /api/timers/stop`: stopping a timer that was just stopped is not an error.
pub(crate) async fn stop(State(app): State<App>, user: User, origin: Origin) -> Result<Json<Snapshot>, Error> {
    change(app, user, origin, TimerEvent::Stopped, store::remove).await
}

/// `POST /api/timers/move`: moves the timer to another device of the same user.
pub(crate) async fn move_to(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(target): Body<Move>,
) -> Result<Json<Snapshot>, Error> {
    let device = DeviceId::new(target.device_id).map_err(|_| error::unknown_device())?;
    change(app, user, origin, TimerEvent::Moved, move |tx, user| {
        devices::require(tx, user, &device)?;
        let mut timer = store::running(tx, user)?.ok_or_else(error::no_timer)?;
        let device = Some(device.to_string());
        let moved = timer.device_id != device;
        if moved {
            timer.device_id = device;
            store::put(tx, user, &timer)?;
        }
        Ok(moved)
    })
    .await
}

/// `POST /api/timers/phase`: continues with another phase of the Pomodoro.
pub(crate) async fn phase(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(to): Body<GoTo>,
) -> Result<Json<Snapshot>, Error> {
    change(app, user, origin, TimerEvent::Updated, move |tx, user| {
        let mut timer = store::running(tx, user)?.ok_or_else(error::no_timer)?;
        let phase = timer.phase.clone().ok_or_else(error::no_phases)?;
        if let Some(seen) = to.revision
            && seen != store::revision(tx, user)?
        {
            return Err(error::outdated());
        }
        match to.kind {
            Some(kind) => timer.enter(kind, phase.round, now_ms()),
            None => timer.enter_next(&phase, now_ms()),
        }
        store::put(tx, user, &timer)?;
        Ok(true)
    })
    .await
}

/// Every change goes to the database first, and is then published to the user's other tabs and devices. `edit` returns
/// whether there was a change.
async fn change(
    app: App,
    user: User,
    origin: Origin,
    news: fn(TimerState) -> TimerEvent,
    edit: impl FnOnce(&Transaction<'_>, &UserId) -> Result<bool, Error> + Send + 'static,
) -> Result<Json<Snapshot>, Error> {
    to_the_end(async move {
        let owner = user.id.clone();
        let (changed, state) = app.db.transact(move |tx| Ok((edit(tx, &owner)?, store::state(tx, &owner)?))).await?;
        if changed {
            let event = Event::typed(&news(state.clone()), &[])?.caused_by(&origin);
            app.hub.to_user(&user.id).publish(event.except(&origin.of(&user.id))).await?;
        }
        Ok(snapshot(state))
    })
    .await
}

fn snapshot(state: TimerState) -> Json<Snapshot> {
    Json(Snapshot { server_now: now_ms(), state })
}
