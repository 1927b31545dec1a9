//! The backend of the cross-device timer. `timers` and `devices` write to the database and publish the change to the
//! user's other devices through the hub; `online` publishes which devices come online and leave.

mod calendar;
mod devices;
mod error;
mod online;
mod timers;

use std::path::Path;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post, put},
};
use shared::{Accounts, Db};
use tidings::{Hub, typescript::Channels};

use crate::online::Online;

/// The channels that a user may subscribe to. All other events here are addressed.
pub const GRANTS: [&str; 1] = ["timer:{user}"];

/// A user has at most one timer, so the user is its key: starting another replaces it, and two devices that start at
/// the same moment cannot both win.
///
/// `revision` counts the changes of a user's timer. Changes can overtake each other on their way (an answer and an
/// event, or the events of two requests); the state with the higher revision is newer.
const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS revisions (
    user     TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS devices (
    user    TEXT NOT NULL,
    id      TEXT NOT NULL,
    name    TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (user, id)
) STRICT;
CREATE TABLE IF NOT EXISTS timers (
    user             TEXT PRIMARY KEY,
    title            TEXT NOT NULL,
    mode             TEXT NOT NULL,
    planned_minutes  INTEGER,
    started_at       INTEGER NOT NULL,
    device_id        TEXT,
    phase_kind       TEXT,
    phase_round      INTEGER,
    phase_minutes    INTEGER,
    phase_started_at INTEGER
) STRICT;
";

/// The state that the handlers share.
#[derive(Clone, FromRef)]
struct App {
    db: Db,
    hub: Hub,
    online: Online,
    accounts: Accounts,
}

/// The path of the front end's generated types.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/lib/channels.ts");

/// The types of the events and answers that the front end receives.
pub fn channels() -> Channels {
    Channels::new("cargo run -p apps --example types")
        .channel::<timers::TimerEvent>()
        .channel::<calendar::CalendarEvent>()
        .channel::<devices::DeviceEvent>()
        .channel::<devices::RingEvent>()
        .channel::<shared::SessionEvent>()
        .and::<timers::Snapshot>()
        .and::<devices::DeviceList>()
}

/// The routes of the API. The hub must have presence.
///
/// # Errors
///
/// If the database cannot be opened.
pub fn routes(hub: Hub, accounts: Accounts, database: &Path) -> anyhow::Result<Router> {
    let app =
        App { db: Db::open(database, &[SCHEMA, calendar::SCHEMA].concat())?, hub, online: Online::default(), accounts };
    online::follow(app.clone())?;
    Ok(Router::new()
        .route("/timer", get(timers::current))
        .route("/timers/start", post(timers::start))
        .route("/timers/stop", post(timers::stop))
        .route("/timers/move", post(timers::move_to))
        .route("/timers/phase", post(timers::phase))
        .route("/calendar", get(calendar::list).post(calendar::create))
        .route("/calendar/{id}", put(calendar::update).delete(calendar::delete))
        .route("/devices", get(devices::list).post(devices::name))
        .route("/devices/ring", post(devices::ring_others))
        .route("/devices/{id}/ring", post(devices::ring))
        .with_state(app))
}
