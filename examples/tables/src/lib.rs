//! The backend of the tables: courses and their bookings. A page that shows a table receives an event when the table
//! has changed, and fetches it again; `notify` publishes that event, only for mutations that succeeded.

mod bookings;
mod courses;
mod notify;
mod token;

use std::{path::Path, time::Duration};

use axum::{
    Router,
    extract::FromRef,
    routing::{delete, get, patch, post},
};
use shared::{Accounts, Db};
use tidings::{Hub, auth::Auth, typescript::Channels};

use crate::token::Tokens;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS secrets (
    bytes BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS courses (
    id    INTEGER PRIMARY KEY,
    title TEXT NOT NULL,
    seats INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS bookings (
    id     INTEGER PRIMARY KEY,
    course INTEGER NOT NULL REFERENCES courses(id) ON DELETE CASCADE,
    guest  TEXT NOT NULL
) STRICT;
";

/// The state that the handlers share.
#[derive(Clone, FromRef)]
struct App {
    db: Db,
    hub: Hub,
    accounts: Accounts,
    tokens: Tokens,
}

/// The path of the front end's generated types.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/channels.ts");

/// The types of the events and answers that the front end receives.
pub fn channels() -> Channels {
    Channels::new("cargo run -p apps --example types")
        .channel::<notify::TableEvent>()
        .channel::<shared::SessionEvent>()
        .and::<courses::Course>()
        .and::<bookings::Booking>()
}

/// The routes of the API, and a stream at `/tables/events` that takes tokens instead of cookies. Tokens live for
/// `lifetime`.
///
/// # Errors
///
/// If the database cannot be opened.
pub fn routes(hub: Hub, accounts: Accounts, database: &Path, lifetime: Duration) -> anyhow::Result<Router> {
    let db = Db::open(database, SCHEMA)?;
    let tokens = Tokens::open(&db, lifetime)?;
    let auth = tokens.auth().allow("table:*")?;
    let app = App { db, hub: hub.clone(), accounts, tokens };
    Ok(Router::new()
        .route("/tables/token", post(token::issue))
        .route("/tables/courses", get(courses::list).post(courses::create))
        .route("/tables/courses/{id}", patch(courses::update).delete(courses::delete))
        .route("/tables/bookings", get(bookings::list).post(bookings::create))
        .route("/tables/bookings/{id}", delete(bookings::delete))
        .with_state(app)
        .nest("/tables/events", tidings::routes(hub, auth)))
}
