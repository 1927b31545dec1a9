//! The backend of the chat: friends, conversations of two, groups, and notifications. Each route writes to the database
//! first, and then publishes to the users concerned, whatever page they have open.

mod friends;
mod messages;
mod notifications;
mod threads;

use std::path::Path;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, post, put},
};
use shared::{Accounts, Db};
use tidings::{Hub, typescript::Channels};

/// The presence channel of every user who has the app open.
pub const PEOPLE: &str = "people";

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS requests (
    id       INTEGER PRIMARY KEY,
    sender   TEXT NOT NULL,
    receiver TEXT NOT NULL,
    state    TEXT NOT NULL DEFAULT 'pending',
    UNIQUE (sender, receiver)
) STRICT;
-- Conversations of two have no name; groups have one.
CREATE TABLE IF NOT EXISTS threads (
    id   INTEGER PRIMARY KEY,
    name TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS members (
    thread     INTEGER NOT NULL REFERENCES threads(id),
    user       TEXT NOT NULL,
    read_up_to INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (thread, user)
) STRICT;
CREATE TABLE IF NOT EXISTS messages (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    thread  INTEGER NOT NULL REFERENCES threads(id),
    sender  TEXT NOT NULL,
    text    TEXT NOT NULL,
    sent_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS messages_of_threads ON messages (thread, id);
CREATE TABLE IF NOT EXISTS notifications (
    id      INTEGER PRIMARY KEY,
    user    TEXT NOT NULL,
    kind    TEXT NOT NULL,
    about   INTEGER NOT NULL,
    text    TEXT NOT NULL,
    read    INTEGER NOT NULL DEFAULT 0,
    made_at INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notifications_of_users ON notifications (user, id);
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

/// The types of the events and answers that the front end receives.
pub fn channels() -> Channels {
    Channels::new("cargo run -p apps --example types")
        .channel::<messages::MessageEvent>()
        .channel::<notifications::NotificationEvent>()
        .channel::<threads::ConversationEvent>()
        .channel::<threads::GroupEvent>()
        .channel::<threads::PeopleEvent>()
        .channel::<shared::SessionEvent>()
        .and::<threads::Thread>()
        .and::<friends::Friends>()
}

/// The routes of the API. The hub must have presence.
///
/// # Errors
///
/// If the database cannot be opened.
pub fn routes(hub: Hub, accounts: Accounts, database: &Path) -> anyhow::Result<Router> {
    let app = App { db: Db::open(database, SCHEMA)?, hub, accounts };
    Ok(Router::new()
        .route("/friends", get(friends::list))
        .route("/friends/request", post(friends::request))
        .route("/friends/request/{id}", put(friends::answer))
        .route("/conversations", get(threads::conversations))
        .route("/groupchats", get(threads::groups).post(threads::create_group))
        .route("/conversations/{id}/messages", get(messages::list).post(messages::send))
        .route("/groupchats/{id}/messages", get(messages::list).post(messages::send))
        .route("/threads/{id}/read", post(messages::read))
        .route("/notifications", get(notifications::list))
        .route("/notifications/read", post(notifications::read))
        .with_state(app))
}
