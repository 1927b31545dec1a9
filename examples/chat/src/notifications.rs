//! The notifications behind the bell.

use axum::{Json, extract::State};
use rusqlite::{Row, Transaction};
use serde::Serialize;
use shared::{Error, User, now_ms, to_the_end};
use tidings::{Event, Origin, Typed};
use ts_rs::TS;

use crate::App;

/// A notification to a user.
#[derive(Debug, Clone, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Notification {
    #[ts(type = "number")]
    id: i64,
    /// `message`, `friendRequest` or `friendAccepted`.
    kind: String,
    /// The thread or the request.
    #[ts(type = "number")]
    about: i64,
    text: String,
    read: bool,
    #[ts(type = "number")]
    made_at: i64,
    #[serde(skip)]
    user: String,
}

#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum NotificationEvent {
    Created(Notification),
    /// Another tab of the user has marked them all as read.
    Read,
}

impl Typed for NotificationEvent {
    const CHANNEL: &'static str = "notification";
}

/// `GET /notifications`: the last thirty, newest first.
pub(crate) async fn list(State(app): State<App>, user: User) -> Result<Json<Vec<Notification>>, Error> {
    let last = app.db.transact(move |tx| {
        let mut last = tx.prepare_cached("SELECT * FROM notifications WHERE user = ?1 ORDER BY id DESC LIMIT 30")?;
        Ok(last.query_map([user.id.as_str()], notification)?.collect::<Result<_, _>>()?)
    });
    Ok(Json(last.await?))
}

/// `POST /notifications/read`.
pub(crate) async fn read(State(app): State<App>, user: User, origin: Origin) -> Result<(), Error> {
    to_the_end(async move {
        let reader = user.id.to_string();
        let read = "UPDATE notifications SET read = 1 WHERE user = ?1 AND read = 0";
        if app.db.transact(move |tx| Ok(tx.execute(read, [reader])?)).await? > 0 {
            let event = Event::typed(&NotificationEvent::Read, &[])?.caused_by(&origin);
            app.hub.to_user(&user.id).publish(event.except(&origin.of(&user.id))).await?;
        }
        Ok(())
    })
    .await
}

/// Stores a notification.
pub(crate) fn add(tx: &Transaction<'_>, user: &str, kind: &str, about: i64, text: &str) -> Result<Notification, Error> {
    let made_at = now_ms();
    let insert = "INSERT INTO notifications (user, kind, about, text, made_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    tx.execute(insert, (user, kind, about, text, made_at))?;
    let id = tx.last_insert_rowid();
    Ok(Notification { id, kind: kind.into(), about, text: text.into(), read: false, made_at, user: user.into() })
}

/// Publishes a notification to its receiver.
pub(crate) async fn publish(app: &App, notification: Notification) -> Result<(), Error> {
    let user = notification.user.clone();
    app.hub.to_user(user).publish(Event::typed(&NotificationEvent::Created(notification), &[])?).await?;
    Ok(())
}

fn notification(row: &Row<'_>) -> rusqlite::Result<Notification> {
    Ok(Notification {
        id: row.get("id")?,
        kind: row.get("kind")?,
        about: row.get("about")?,
        text: row.get("text")?,
        read: row.get("read")?,
        made_at: row.get("made_at")?,
        user: row.get("user")?,
    })
}
