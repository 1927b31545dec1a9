//! The backend of the notes. Each write goes to the database first and is published after it: a note of one's own to its user,
//! a note in a room to whoever has the room open, an announcement to everybody.

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

/// What a user may subscribe to: any room, and what is announced. Notes of one's own are addressed.
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

/// What the handlers share.
#[derive(Clone, FromRef)]
struct App {
    db: Db,
    hub: Hub,
    accounts: Accounts,
}

/// Where the front end has the types of what it receives.
pub const TYPES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/src/channels.ts");

/// What the front end receives.
pub fn channels() -> Channels {
    Channels::new("cargo run -p apps --example types")
        .channel::<notes::NoteEvent>()
        .channel::<notes::RoomEvent>()
        .channel::<announcements::Announced>()
        .channel::<shared::SessionEvent>()
}

/// The API.
///
/// # Errors
///
/// When the database cannot be opened.
pub fn routes(hub: Hub, accounts: Accounts, database: &Path) -> anyhow::Result<Router> {
    let app = App { db: Db::open(database, SCHEMA)?, hub, accounts };
    Ok(Router::new()
        .route("/notes", get(notes::list).post(notes::add))
        .route("/notes/{id}", put(notes::edit).delete(notes::delete))
        .route("/rooms", get(notes::rooms))
        .route("/announcements", get(announcements::list).post(announcements::announce))
        .with_state(app))
}
