//! Friends: one user asks, the other accepts, and then they have a conversation.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use rusqlite::{OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, to_the_end};
use tidings::{Origin, UserId};
use ts_rs::TS;

use crate::{App, notifications, threads};

/// The answer to `GET /friends`.
#[derive(Debug, Serialize, TS)]
pub(crate) struct Friends {
    friends: Vec<String>,
    /// The users who have asked this user.
    requests: Vec<Request>,
}

#[derive(Debug, Serialize, TS)]
pub(crate) struct Request {
    #[ts(type = "number")]
    id: i64,
    sender: String,
}

#[derive(Deserialize)]
pub(crate) struct Ask {
    user: String,
}

#[derive(Deserialize)]
pub(crate) struct Answer {
    accept: bool,
}

/// `GET /friends`.
pub(crate) async fn list(State(app): State<App>, user: User) -> Result<Json<Friends>, Error> {
    let friends = app.db.transact(move |tx| {
        let mut friends = tx.prepare_cached(
            "SELECT iif(sender = ?1, receiver, sender) AS friend FROM requests
             WHERE state = 'accepted' AND ?1 IN (sender, receiver) ORDER BY friend",
        )?;
        let mut requests =
            tx.prepare_cached("SELECT id, sender FROM requests WHERE state = 'pending' AND receiver = ?1 ORDER BY id")?;
        let user = [user.id.as_str()];
        Ok(Friends {
            friends: friends.query_map(user, |row| row.get(0))?.collect::<Result<_, _>>()?,
            requests: requests
                .query_map(user, |row| Ok(Request { id: row.get(0)?, sender: row.get(1)? }))?
                .collect::<Result<_, _>>()?,
        })
    });
    Ok(Json(friends.await?))
}

/// `POST /friends/request`: sends a notification to the receiver.
pub(crate) async fn request(
    State(app): State<App>,
    user: User,
    Body(Ask { user: name }): Body<Ask>,
) -> Result<(), Error> {
    let receiver = UserId::new(name.trim()).map_err(|_| unknown_user())?;
    if receiver == user.id || !app.accounts.knows(&receiver).await? {
        return Err(unknown_user());
    }
    to_the_end(async move {
        let (sender, receiver) = (user.id.to_string(), receiver.to_string());
        let ring = app
            .db
            .transact(move |tx| {
                let known = "SELECT 1 FROM requests WHERE (sender, receiver) IN ((?1, ?2), (?2, ?1))";
                if tx.query_row(known, (&sender, &receiver), |_| Ok(())).optional()?.is_some() {
                    return Err(Error::refused(StatusCode::CONFLICT, "asked", "One of you has asked already."));
                }
                tx.execute("INSERT INTO requests (sender, receiver) VALUES (?1, ?2)", (&sender, &receiver))?;
                let text = format!("{sender} would like to be your friend");
                notifications::add(tx, &receiver, "friendRequest", tx.last_insert_rowid(), &text)
            })
            .await?;
        notifications::publish(&app, ring).await
    })
    .await
}

/// `PUT /friends/request/{id}`: accepting sends a notification to the sender, and adds a conversation to both sidebars.
pub(crate) async fn answer(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Path(id): Path<i64>,
    Body(Answer { accept }): Body<Answer>,
) -> Result<(), Error> {
    to_the_end(async move {
        let receiver = user.id.to_string();
        let accepted = app
            .db
            .transact(move |tx| {
                let asked = "SELECT sender FROM requests WHERE id = ?1 AND receiver = ?2 AND state = 'pending'";
                let sender: Option<String> = tx.query_row(asked, (id, &receiver), |row| row.get(0)).optional()?;
                let sender = sender.ok_or(Error::NotFound)?;
                if !accept {
                    tx.execute("DELETE FROM requests WHERE id = ?1", [id])?;
                    return Ok(None);
                }
                tx.execute("UPDATE requests SET state = 'accepted' WHERE id = ?1", [id])?;
                let text = format!("{receiver} is now your friend");
                let ring = notifications::add(tx, &sender, "friendAccepted", id, &text)?;
                let members = vec![sender, receiver];
                Ok(Some((ring, threads::create(tx, None, &members)?, members)))
            })
            .await?;
        if let Some((ring, thread, members)) = accepted {
            notifications::publish(&app, ring).await?;
            threads::update(&app, false, thread, &members, &origin, &user).await?;
        }
        Ok(())
    })
    .await
}

/// Fails unless the two users are friends.
pub(crate) fn require(tx: &Transaction<'_>, one: &str, other: &str) -> Result<(), Error> {
    let friends = "SELECT 1 FROM requests WHERE state = 'accepted' AND (sender, receiver) IN ((?1, ?2), (?2, ?1))";
    tx.query_row(friends, (one, other), |_| Ok(())).optional()?.ok_or(Error::invalid("A group is of friends."))
}

fn unknown_user() -> Error {
    Error::refused(StatusCode::NOT_FOUND, "unknownUser", "Nobody else has logged in by this name yet.")
}
