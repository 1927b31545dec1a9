//! The messages of a thread.

use axum::{
    Json,
    extract::{Path, State},
};
use rusqlite::Row;
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, now_ms, to_the_end};
use tidings::{Event, Origin, Typed};
use ts_rs::TS;

use crate::{App, notifications, threads};

/// A message.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    #[ts(type = "number")]
    id: i64,
    #[ts(type = "number")]
    thread: i64,
    sender: String,
    text: String,
    /// Milliseconds since 1970 by the server's clock.
    #[ts(type = "number")]
    sent_at: i64,
}

#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum MessageEvent {
    Sent(Message),
}

impl Typed for MessageEvent {
    const CHANNEL: &'static str = "message";
}

#[derive(Deserialize)]
pub(crate) struct Said {
    text: String,
}

/// `GET /conversations/{id}/messages`, `GET /groupchats/{id}/messages`: the last hundred, oldest first.
pub(crate) async fn list(
    State(app): State<App>,
    user: User,
    Path(thread): Path<i64>,
) -> Result<Json<Vec<Message>>, Error> {
    let messages = app.db.transact(move |tx| {
        threads::members(tx, thread, user.id.as_str())?;
        let mut last = tx.prepare_cached("SELECT * FROM messages WHERE thread = ?1 ORDER BY id DESC LIMIT 100")?;
        let mut messages = last.query_map([thread], message)?.collect::<Result<Vec<_>, _>>()?;
        messages.reverse();
        Ok(messages)
    });
    Ok(Json(messages.await?))
}

/// `POST /conversations/{id}/messages`, `POST /groupchats/{id}/messages`: publishes three events: the message, to all
/// members; a notification, to each of the others; and an update of the thread, for every member's sidebar.
pub(crate) async fn send(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(thread): Path<i64>,
    Body(Said { text }): Body<Said>,
) -> Result<Json<Message>, Error> {
    if text.trim().is_empty() || text.chars().count() > 4_000 {
        return Err(Error::invalid("A message is 1 to 4,000 characters."));
    }
    to_the_end(async move {
        let sender = user.id.to_string();
        let (message, members, is_group, rings) = app
            .db
            .transact(move |tx| {
                let (members, name) = threads::members(tx, thread, &sender)?;
                let mut message = Message { id: 0, thread, sender, text, sent_at: now_ms() };
                tx.execute(
                    "INSERT INTO messages (thread, sender, text, sent_at) VALUES (?1, ?2, ?3, ?4)",
                    (thread, &message.sender, &message.text, message.sent_at),
                )?;
                message.id = tx.last_insert_rowid();
                let from = match &name {
                    Some(group) => format!("{} wrote in {group}", message.sender),
                    None => format!("{} wrote to you", message.sender),
                };
                let others = members.iter().filter(|member| **member != message.sender);
                let rings = others.map(|other| notifications::add(tx, other, "message", thread, &from));
                let rings = rings.collect::<Result<Vec<_>, _>>()?;
                Ok((message, members, name.is_some(), rings))
            })
            .await?;
        let sent = Event::typed(&MessageEvent::Sent(message.clone()), &[])?.caused_by(&origin);
        let sent = sent.except(&origin.of(&user.id));
        app.hub.to_users(members.iter().map(String::as_str)).publish(sent).await?;
        for ring in rings {
            notifications::publish(&app, ring).await?;
        }
        threads::update(&app, is_group, thread.into(), &members, &origin, &user).await?;
        Ok(Json(message))
    })
    .await
}

/// `POST /threads/{id}/read`: marks everything in it as read. The user's other tabs count again.
pub(crate) async fn read(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(thread): Path<i64>,
) -> Result<(), Error> {
    to_the_end(async move {
        let reader = user.id.to_string();
        let (changed, is_group) = app
            .db
            .transact(move |tx| {
                let (_, name) = threads::members(tx, thread, &reader)?;
                let read =
                    "UPDATE members SET read_up_to = (SELECT coalesce(max(id), 0) FROM messages WHERE thread = ?1)
                            WHERE thread = ?1 AND user = ?2
                              AND read_up_to < (SELECT coalesce(max(id), 0) FROM messages WHERE thread = ?1)";
                Ok((tx.execute(read, (thread, &reader))? > 0, name.is_some()))
            })
            .await?;
        if changed {
            threads::update(&app, is_group, thread.into(), &[user.id.to_string()], &origin, &user).await?;
        }
        Ok(())
    })
    .await
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get("id")?,
        thread: row.get("thread")?,
        sender: row.get("sender")?,
        text: row.get("text")?,
        sent_at: row.get("sent_at")?,
    })
}
