//! The backend of the notes. Each write goes to the database first and is published afterwards: a private note to its
//! user, a room's note to everyone who has the room open, an announcement to every user.

mod announcements;
mod notes;

use std::path::Path;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, put},
};
use shared::{Accounts, Db};
use tidings::{Hub, typescript::Channels};

/// The channels that a user may subscribe to: any room, and announcements. Private notes are addressed.
pub const GRANTS: [&str; 2] = ["notes:room:*", "notification:{user}"];

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS rooms (
    name TEXT PRIMARY KEY
) STRICT;
INSERT OR IGNORE INTO rooms (name) VALUES ('kitchen'), ('garden'), ('room456');
CREATE TABLE IF NOT EXISTS notes (
    id         INTEGER PRIMARY KEY,
    owner      TEXT NOT NULL,
    room       TEXT REFERENCES rooms(name),
    text       TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS announcements (
    id   INTEGER PRIMARY KEY,
    user TEXT NOT NULL,
    text TEXT NOT NULL,
    made_at INTEGER NOT NULL
) STRICT;
";

/// The state that the handlers share.
#[derive(Clone, FromRef)]
struct App {
    db: Db,
    hub: Hub,
    accounts: Accounts,
}

/// The path of the front end's generated types.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/channels.ts");

/// The types of the events that the front end receives.
pub fn channels() -> Channels {
    Channels::new("cargo run -p apps --example types")
        .channel::<notes::NoteEvent>()
        .channel::<notes::RoomEvent>()
        .channel::<announcements::Announced>()
        .channel::<shared::SessionEvent>()
}

/// The routes of the API.
///
/// # Errors
///
/// If the database cannot be opened.
pub fn routes(hub: Hub, accounts: Accounts, database: &Path) -> anyhow::Result<Router> {
    let app = App { db: Db::open(database, SCHEMA)?, hub, accounts };
    Ok(Router::new()
        .route("/notes", get(notes::list).post(notes::add))
        .route("/notes/{id}", put(notes::edit).delete(notes::delete))
        .route("/rooms", get(notes::rooms))
        .route("/announcements", get(announcements::list).post(announcements::announce))
        .with_state(app))
}
