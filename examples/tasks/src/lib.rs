//! The backend of the tasks: projects that several users share. Every write goes through `write`, which publishes it to
//! all members, and carries out a repeated mutation only once.

mod items;
mod members;
mod projects;
mod write;

use std::path::Path;

use axum::{
    Router,
    extract::FromRef,
    routing::{get, patch, post},
};
use shared::{Accounts, Db};
use tidings::{Hub, typescript::Channels};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS projects (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS members (
    project INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
    user    TEXT NOT NULL,
    role    TEXT NOT NULL,
    PRIMARY KEY (project, user)
) STRICT;
-- Tasks, labels and categories: what a project has by name.
CREATE TABLE IF NOT EXISTS items (
    id       INTEGER PRIMARY KEY,
    project  INTEGER NOT NULL REFERENCES projects(id) ON DELETE CASCADE,
    entity   TEXT NOT NULL,
    name     TEXT NOT NULL,
    done     INTEGER NOT NULL DEFAULT 0,
    label    INTEGER REFERENCES items(id) ON DELETE SET NULL,
    category INTEGER REFERENCES items(id) ON DELETE SET NULL
) STRICT;
-- What mutations were answered, by their `Idempotency-Key`.
CREATE TABLE IF NOT EXISTS answers (
    user    TEXT NOT NULL,
    key     TEXT NOT NULL,
    written TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    PRIMARY KEY (user, key)
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

/// The types of the events and answers that the front end receives.
pub fn channels() -> Channels {
    Channels::new("cargo run -p apps --example types")
        .channel::<write::SyncEvent>()
        .channel::<shared::SessionEvent>()
        .and::<projects::Project>()
}

/// The routes of the API.
///
/// # Errors
///
/// If the database cannot be opened.
pub fn routes(hub: Hub, accounts: Accounts, database: &Path) -> anyhow::Result<Router> {
    let app = App { db: Db::open(database, SCHEMA)?, hub, accounts };
    Ok(Router::new()
        .route("/projects", get(projects::list).post(projects::create))
        .route("/projects/{project}", patch(projects::rename).delete(projects::delete))
        .route("/projects/{project}/members", post(members::add))
        .route("/projects/{project}/members/{user}", patch(members::change_role).delete(members::remove))
        .route("/projects/{project}/items", post(items::create))
        .route("/items/{id}", patch(items::update).delete(items::delete))
        .with_state(app))
}
