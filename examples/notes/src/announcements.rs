//! Announcements to every user: one event on `notification:*` reaches the subscribers of every `notification:{user}`.

use axum::{Json, extract::State};
use rusqlite::Row;
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, now_ms, to_the_end};
use tidings::{Event, Origin, Typed};
use ts_rs::TS;

use crate::{App, notes::checked};

#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Announcement {
    #[ts(type = "number")]
    id: i64,
    user: String,
    text: String,
    #[ts(type = "number")]
    made_at: i64,
}

#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum Announced {
    Announced(Announcement),
}

impl Typed for Announced {
    const CHANNEL: &'static str = "notification:{user}";
}

#[derive(Deserialize)]
pub(crate) struct Text {
    text: String,
}

/// `GET /announcements`: the last twenty, newest first.
pub(crate) async fn list(State(app): State<App>, _: User) -> Result<Json<Vec<Announcement>>, Error> {
    let last = app.db.transact(|tx| {
        let mut last = tx.prepare("SELECT * FROM announcements ORDER BY id DESC LIMIT 20")?;
        Ok(last.query_map([], announcement)?.collect::<Result<_, _>>()?)
    });
    Ok(Json(last.await?))
}

/// `POST /announcements`.
pub(crate) async fn announce(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(Text { text }): Body<Text>,
) -> Result<Json<Announcement>, Error> {
    let mut made = Announcement { id: 0, user: user.id.to_string(), text: checked(text)?, made_at: now_ms() };
    to_the_end(async move {
        let made = app
            .db
            .transact(move |tx| {
                let insert = "INSERT INTO announcements (user, text, made_at) VALUES (?1, ?2, ?3)";
                tx.execute(insert, (&made.user, &made.text, made.made_at))?;
                made.id = tx.last_insert_rowid();
                Ok(made)
            })
            .await?;
        // `notification:*` reaches every user.
        let event = Event::typed_below(&Announced::Announced(made.clone()), &[])?.caused_by(&origin);
        app.hub.publish(event.except(&origin.of(&user.id))).await?;
        Ok(Json(made))
    })
    .await
}

fn announcement(row: &Row<'_>) -> rusqlite::Result<Announcement> {
    Ok(Announcement {
        id: row.get("id")?,
        user: row.get("user")?,
        text: row.get("text")?,
        made_at: row.get("made_at")?,
    })
}
