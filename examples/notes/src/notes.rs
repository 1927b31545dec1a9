//! Notes: private ones, and those of a room, which everyone may read and change.

use axum::{
    Json,
    extract::{Path, Query, State},
};
use rusqlite::{OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, now_ms, to_the_end};
use tidings::{Event, Origin, Typed, UserId};
use ts_rs::TS;

use crate::App;

const TEXT_CHARS: usize = 2_000;

/// A note. A room's note belongs to everyone; `owner` wrote it.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    #[ts(type = "number")]
    id: i64,
    owner: String,
    room: Option<String>,
    text: String,
    /// Milliseconds since 1970 by the server's clock.
    #[ts(type = "number")]
    changed_at: i64,
}

/// A change of a private note.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum NoteEvent {
    Saved(Note),
    Deleted(Note),
}

impl Typed for NoteEvent {
    const CHANNEL: &'static str = "note";
}

/// A change of a room's note.
#[derive(Serialize, TS)]
pub(crate) struct RoomEvent(NoteEvent);

impl Typed for RoomEvent {
    const CHANNEL: &'static str = "notes:room:{room}";
}

#[derive(Deserialize)]
pub(crate) struct Where {
    /// The room; `None` means the private notes.
    room: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct NewNote {
    room: Option<String>,
    text: String,
}

#[derive(Deserialize)]
pub(crate) struct Edit {
    text: String,
}

/// `GET /rooms`.
pub(crate) async fn rooms(State(app): State<App>, _: User) -> Result<Json<Vec<String>>, Error> {
    let names = app.db.transact(|tx| {
        let mut all = tx.prepare("SELECT name FROM rooms ORDER BY rowid")?;
        Ok(all.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    });
    Ok(Json(names.await?))
}

/// `GET /notes?room=…`.
pub(crate) async fn list(
    State(app): State<App>,
    user: User,
    Query(Where { room }): Query<Where>,
) -> Result<Json<Vec<Note>>, Error> {
    let notes = app.db.transact(move |tx| {
        let mut found = tx.prepare(
            "SELECT * FROM notes WHERE room IS ?1 AND (room IS NOT NULL OR owner = ?2) ORDER BY changed_at DESC, id DESC",
        )?;
        Ok(found.query_map((room, user.id.as_str()), note)?.collect::<Result<_, _>>()?)
    });
    Ok(Json(notes.await?))
}

/// `POST /notes`.
pub(crate) async fn add(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(NewNote { room, text }): Body<NewNote>,
) -> Result<Json<Note>, Error> {
    let text = checked(text)?;
    change(app, user, origin, NoteEvent::Saved, move |tx, user| {
        let room = match room {
            Some(room) => {
                let known = tx.query_row("SELECT name FROM rooms WHERE name = ?1", [room], |row| row.get(0));
                Some(known.optional()?.ok_or(Error::NotFound)?)
            }
            None => None,
        };
        let mut note = Note { id: 0, owner: user.to_string(), room, text, changed_at: now_ms() };
        tx.execute(
            "INSERT INTO notes (owner, room, text, changed_at) VALUES (?1, ?2, ?3, ?4)",
            (&note.owner, &note.room, &note.text, note.changed_at),
        )?;
        note.id = tx.last_insert_rowid();
        Ok(note)
    })
    .await
}

/// `PUT /notes/{id}`.
pub(crate) async fn edit(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(id): Path<i64>,
    Body(Edit { text }): Body<Edit>,
) -> Result<Json<Note>, Error> {
    let text = checked(text)?;
    change(app, user, origin, NoteEvent::Saved, move |tx, user| {
        let note = Note { text, changed_at: now_ms(), ..find(tx, user, id)? };
        tx.execute("UPDATE notes SET text = ?2, changed_at = ?3 WHERE id = ?1", (id, &note.text, note.changed_at))?;
        Ok(note)
    })
    .await
}

/// `DELETE /notes/{id}`.
pub(crate) async fn delete(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(id): Path<i64>,
) -> Result<Json<Note>, Error> {
    change(app, user, origin, NoteEvent::Deleted, move |tx, user| {
        let note = find(tx, user, id)?;
        tx.execute("DELETE FROM notes WHERE id = ?1", [id])?;
        Ok(note)
    })
    .await
}

/// Every change goes to the database first, and is then published to every receiver except the tab that made it.
async fn change(
    app: App,
    user: User,
    origin: Origin,
    news: fn(Note) -> NoteEvent,
    edit: impl FnOnce(&Transaction<'_>, &UserId) -> Result<Note, Error> + Send + 'static,
) -> Result<Json<Note>, Error> {
    to_the_end(async move {
        let owner = user.id.clone();
        let note = app.db.transact(move |tx| edit(tx, &owner)).await?;
        let event = news(note.clone());
        match &note.room {
            Some(room) => {
                let event = Event::typed(&RoomEvent(event), &[room])?.caused_by(&origin);
                app.hub.publish(event.except(&origin.of(&user.id))).await?;
            }
            None => {
                let event = Event::typed(&event, &[])?.caused_by(&origin);
                app.hub.to_user(&user.id).publish(event.except(&origin.of(&user.id))).await?;
            }
        }
        Ok(Json(note))
    })
    .await
}

/// A note that the user may change: one of any room, or a private one of their own.
fn find(tx: &Transaction<'_>, user: &UserId, id: i64) -> Result<Note, Error> {
    let one = "SELECT * FROM notes WHERE id = ?1 AND (room IS NOT NULL OR owner = ?2)";
    tx.query_row(one, (id, user.as_str()), note).optional()?.ok_or(Error::NotFound)
}

fn note(row: &Row<'_>) -> rusqlite::Result<Note> {
    Ok(Note {
        id: row.get("id")?,
        owner: row.get("owner")?,
        room: row.get("room")?,
        text: row.get("text")?,
        changed_at: row.get("changed_at")?,
    })
}

/// Checks that a text is not empty and not too long.
pub(crate) fn checked(text: String) -> Result<String, Error> {
    let fits = !text.trim().is_empty() && text.chars().count() <= TEXT_CHARS;
    if fits { Ok(text) } else { Err(Error::invalid("A text is 1 to 2,000 characters.")) }
}
