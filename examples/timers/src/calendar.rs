//! A user's calendar, which is the same on all devices.

use axum::{
    Json,
    extract::{Path, State},
};
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, to_the_end};
use tidings::{Event, Origin, Typed, UserId};
use ts_rs::TS;

use crate::App;

pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS calendar (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    user      TEXT NOT NULL,
    title     TEXT NOT NULL,
    starts_at INTEGER NOT NULL
) STRICT;
";

/// An entry of the calendar.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    #[ts(type = "number")]
    id: i64,
    title: String,
    /// Milliseconds since 1970.
    #[ts(type = "number")]
    starts_at: i64,
}

/// Events for the user's other tabs and devices.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload")]
pub(crate) enum CalendarEvent {
    #[serde(rename = "event_created")]
    Created(Entry),
    #[serde(rename = "event_updated")]
    Updated(Entry),
    #[serde(rename = "event_deleted")]
    Deleted(Entry),
}

impl Typed for CalendarEvent {
    const CHANNEL: &'static str = "calendar";
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Edit {
    title: String,
    starts_at: i64,
}

/// `GET /calendar`: the earliest first.
pub(crate) async fn list(State(app): State<App>, user: User) -> Result<Json<Vec<Entry>>, Error> {
    let entries = app.db.transact(move |tx| {
        let mut all = tx.prepare_cached("SELECT * FROM calendar WHERE user = ?1 ORDER BY starts_at, id")?;
        Ok(all.query_map([user.id.as_str()], entry)?.collect::<Result<_, _>>()?)
    });
    Ok(Json(entries.await?))
}

/// `POST /calendar`.
pub(crate) async fn create(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(edit): Body<Edit>,
) -> Result<Json<Entry>, Error> {
    let edit = checked(edit)?;
    change(app, user, origin, CalendarEvent::Created, move |tx, user| {
        let insert = "INSERT INTO calendar (user, title, starts_at) VALUES (?1, ?2, ?3)";
        tx.execute(insert, (user.as_str(), &edit.title, edit.starts_at))?;
        Ok(Entry { id: tx.last_insert_rowid(), title: edit.title, starts_at: edit.starts_at })
    })
    .await
}

/// `PUT /calendar/{id}`.
pub(crate) async fn update(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(id): Path<i64>,
    Body(edit): Body<Edit>,
) -> Result<Json<Entry>, Error> {
    let edit = checked(edit)?;
    change(app, user, origin, CalendarEvent::Updated, move |tx, user| {
        find(tx, user, id)?;
        tx.execute("UPDATE calendar SET title = ?2, starts_at = ?3 WHERE id = ?1", (id, &edit.title, edit.starts_at))?;
        Ok(Entry { id, title: edit.title, starts_at: edit.starts_at })
    })
    .await
}

/// `DELETE /calendar/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(id): Path<i64>,
) -> Result<Json<Entry>, Error> {
    change(app, user, origin, CalendarEvent::Deleted, move |tx, user| {
        let entry = find(tx, user, id)?;
        tx.execute("DELETE FROM calendar WHERE id = ?1", [id])?;
        Ok(entry)
    })
    .await
}

async fn change(
    app: App,
    user: User,
    origin: Origin,
    news: fn(Entry) -> CalendarEvent,
    edit: impl FnOnce(&Transaction<'_>, &UserId) -> Result<Entry, Error> + Send + 'static,
) -> Result<Json<Entry>, Error> {
    to_the_end(async move {
        let owner = user.id.clone();
        let entry = app.db.transact(move |tx| edit(tx, &owner)).await?;
        let event = Event::typed(&news(entry.clone()), &[])?.caused_by(&origin).except(&origin.of(&user.id));
        app.hub.to_user(&user.id).publish(event).await?;
        Ok(Json(entry))
    })
    .await
}

fn find(tx: &Transaction<'_>, user: &UserId, id: i64) -> Result<Entry, Error> {
    let one = "SELECT * FROM calendar WHERE id = ?1 AND user = ?2";
    tx.query_row(one, (id, user.as_str()), entry).optional()?.ok_or(Error::NotFound)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry { id: row.get("id")?, title: row.get("title")?, starts_at: row.get("starts_at")? })
}

fn checked(mut edit: Edit) -> Result<Edit, Error> {
    edit.title = edit.title.trim().to_owned();
    let good = (1..=120).contains(&edit.title.chars().count());
    if good { Ok(edit) } else { Err(Error::invalid("A title is 1 to 120 characters.")) }
}
