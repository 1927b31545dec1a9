//! The backend of the cross-device timer. One request's way: `timers` or `devices` writes to the database and publishes the
//! news to the user's other devices through the hub; `online` tells them which devices come and go.

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

/// What a user may subscribe to. Everything else here is addressed.
pub const GRANTS: [&str; 1] = ["timer:{user}"];

/// A timer belongs to its user and there is one per user, so the user is its key: starting another replaces it, and two
/// devices that start at the same moment cannot both win.
///
/// `revision` counts the changes of a user's timer. News can overtake each other on their way (an answer and an event,
/// two events of two requests); whoever knows the higher revision knows the newer state.
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

/// What the handlers share.
#[derive(Clone, FromRef)]
struct App {
    db: Db,
    hub: Hub,
    online: Online,
    accounts: Accounts,
}

/// Where the front end has the types of what it receives.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/lib/channels.ts");

/// What the front end receives and is answered.
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

/// The API. The hub is one with presence.
///
/// # Errors
///
/// When the database cannot be opened.
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
