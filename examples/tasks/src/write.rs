//! How every route writes: once per `Idempotency-Key`, and published to all members of the project.

use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use rusqlite::{OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};
use shared::{Error, User, now_ms, to_the_end};
use tidings::{Event, IdempotencyKey, Origin, Typed};
use ts_rs::TS;
use uuid::Uuid;

use crate::App;

/// How long an answer is kept for a repeated mutation; clients give up after a day.
const KEPT_MS: i64 = 2 * 24 * 60 * 60 * 1000;

/// The kind of row that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Entity {
    Task,
    Project,
    Label,
    Category,
    Member,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Action {
    Created,
    Updated,
    Deleted,
}

/// A row that changed. A page that shows its project fetches it again.
#[derive(Debug, Clone, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    pub(crate) entity: Entity,
    /// The row's number; for a member, the user.
    pub(crate) id: String,
    #[ts(type = "number")]
    pub(crate) project_id: i64,
}

/// Events for all members of a project.
#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum SyncEvent {
    Created(Change),
    Updated(Change),
    Deleted(Change),
}

impl Typed for SyncEvent {
    const CHANNEL: &'static str = "sync";
}

/// The result of a write. It is stored with its key, so that a repeated mutation has the same answer and the same
/// event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Written {
    action: Action,
    change: Change,
    /// The members, including one who was removed by this write.
    receivers: Vec<String>,
}

impl Written {
    /// A result for all present members.
    pub(crate) fn new(
        tx: &Transaction<'_>,
        action: Action,
        entity: Entity,
        id: &impl ToString,
        project_id: i64,
    ) -> Result<Self, Error> {
        let mut members = tx.prepare_cached("SELECT user FROM members WHERE project = ?1")?;
        let receivers = members.query_map([project_id], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(Self { action, change: Change { entity, id: id.to_string(), project_id }, receivers })
    }
}

/// The user, tab and `Idempotency-Key` of a write.
pub(crate) struct Writer {
    pub(crate) user: User,
    origin: Origin,
    key: Option<IdempotencyKey>,
}

impl FromRequestParts<App> for Writer {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let user = User::from_request_parts(parts, app).await.map_err(IntoResponse::into_response)?;
        let origin = Origin::from_request_parts(parts, app).await?;
        let key = Option::<IdempotencyKey>::from_request_parts(parts, app).await?;
        Ok(Self { user, origin, key })
    }
}

/// Writes, then publishes. A mutation whose answer was lost is sent again with the same key: then nothing is written,
/// and the event is published under the same key as before, which the hub recognizes if it has the event.
pub(crate) async fn write(
    app: App,
    Writer { user, origin, key }: Writer,
    work: impl FnOnce(&Transaction<'_>, &str) -> Result<Written, Error> + Send + 'static,
) -> Result<Response, Error> {
    let key = key.map_or_else(|| Uuid::now_v7().to_string(), |IdempotencyKey(key)| key.to_string());
    // Users choose their own keys, so a user must not be able to use another user's key.
    let event_key = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{key} {}", user.id).as_bytes()).to_string();
    to_the_end(async move {
        let owner = user.id.to_string();
        let written = app.db.transact(move |tx| once(tx, &owner, &key, |tx| work(tx, &owner))).await?;
        let change = written.change.clone();
        let event = match written.action {
            Action::Created => SyncEvent::Created(change),
            Action::Updated => SyncEvent::Updated(change),
            Action::Deleted => SyncEvent::Deleted(change),
        };
        let event = Event::typed(&event, &[])?.caused_by(&origin).except(&origin.of(&user.id)).key(event_key)?;
        app.hub.to_users(written.receivers.iter().map(String::as_str)).publish(event).await?;
        Ok((StatusCode::OK, Json(written.change)).into_response())
    })
    .await
}

/// Runs the work and stores its result, in one transaction; or returns the stored result.
fn once(
    tx: &Transaction<'_>,
    user: &str,
    key: &str,
    work: impl FnOnce(&Transaction<'_>) -> Result<Written, Error>,
) -> Result<Written, Error> {
    let internal = |error: serde_json::Error| Error::Internal(error.into());
    let kept = "SELECT written FROM answers WHERE user = ?1 AND key = ?2";
    let kept: Option<String> = tx.query_row(kept, (user, key), |row| row.get(0)).optional()?;
    if let Some(kept) = kept {
        return serde_json::from_str(&kept).map_err(internal);
    }
    let written = work(tx)?;
    let text = serde_json::to_string(&written).map_err(internal)?;
    tx.execute("DELETE FROM answers WHERE made_at < ?1", [now_ms() - KEPT_MS])?;
    let keep = "INSERT INTO answers (user, key, written, made_at) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(keep, (user, key, text, now_ms()))?;
    Ok(written)
}

/// Fails unless the user is a member.
pub(crate) fn require_member(tx: &Transaction<'_>, project: i64, user: &str) -> Result<(), Error> {
    let member = "SELECT 1 FROM members WHERE project = ?1 AND user = ?2";
    tx.query_row(member, (project, user), |_| Ok(())).optional()?.ok_or(Error::NotFound)
}

/// Checks that a name has 1 to 200 characters, and trims it.
pub(crate) fn checked(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let good = (1..=200).contains(&name.chars().count());
    if good { Ok(name.to_owned()) } else { Err(Error::invalid("A name is 1 to 200 characters.")) }
}
