//! Threads: conversations of two, and groups. The sidebar lists them, with the number of unread messages.

use axum::{Json, extract::State};
use rusqlite::{OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User, to_the_end};
use tidings::{Event, Origin, Typed};
use ts_rs::TS;

use crate::{App, friends};

/// A conversation or group, as one of its members sees it.
#[derive(Debug, Serialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Thread {
    #[ts(type = "number")]
    id: i64,
    /// The group's name, or the other user's in a conversation.
    name: String,
    is_group: bool,
    members: Vec<String>,
    unread: u32,
    /// The last message.
    last: Option<String>,
}

/// A thread that changed; fetch the list again.
#[derive(Debug, Clone, Copy, Serialize, TS)]
pub(crate) struct ThreadId {
    #[ts(type = "number")]
    thread: i64,
}

#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum ConversationEvent {
    Updated(ThreadId),
}

impl Typed for ConversationEvent {
    const CHANNEL: &'static str = "conversation_update";
}

#[derive(Serialize, TS)]
#[serde(tag = "type", content = "payload", rename_all = "camelCase")]
pub(crate) enum GroupEvent {
    Updated(ThreadId),
}

impl Typed for GroupEvent {
    const CHANNEL: &'static str = "group_update";
}

/// Nothing is published on this channel; its subscribers are present.
#[derive(Serialize, TS)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum PeopleEvent {}

impl Typed for PeopleEvent {
    const CHANNEL: &'static str = crate::PEOPLE;
}

#[derive(Deserialize)]
pub(crate) struct NewGroup {
    name: String,
    members: Vec<String>,
}

/// `GET /conversations`.
pub(crate) async fn conversations(State(app): State<App>, user: User) -> Result<Json<Vec<Thread>>, Error> {
    Ok(Json(app.db.transact(move |tx| list(tx, user.id.as_str(), false)).await?))
}

/// `GET /groupchats`.
pub(crate) async fn groups(State(app): State<App>, user: User) -> Result<Json<Vec<Thread>>, Error> {
    Ok(Json(app.db.transact(move |tx| list(tx, user.id.as_str(), true)).await?))
}

/// `POST /groupchats`: creates a group with friends.
pub(crate) async fn create_group(
    State(app): State<App>,
    user: User,
    origin: Origin,
    Body(NewGroup { name, members }): Body<NewGroup>,
) -> Result<Json<ThreadId>, Error> {
    let name = name.trim().to_owned();
    if !(1..=64).contains(&name.chars().count()) || !(1..=50).contains(&members.len()) {
        return Err(Error::invalid("A group has a name of 1 to 64 characters and 1 to 50 friends."));
    }
    to_the_end(async move {
        let owner = user.id.to_string();
        let (thread, members) = app
            .db
            .transact(move |tx| {
                for friend in &members {
                    friends::require(tx, &owner, friend)?;
                }
                let members: Vec<String> = [owner].into_iter().chain(members).collect();
                Ok((create(tx, Some(&name), &members)?, members))
            })
            .await?;
        update(&app, true, thread, &members, &origin, &user).await?;
        Ok(Json(thread))
    })
    .await
}

/// Creates a thread.
pub(crate) fn create(tx: &Transaction<'_>, name: Option<&str>, members: &[String]) -> Result<ThreadId, Error> {
    tx.execute("INSERT INTO threads (name) VALUES (?1)", [name])?;
    let thread = tx.last_insert_rowid();
    for member in members {
        tx.execute("INSERT OR IGNORE INTO members (thread, user) VALUES (?1, ?2)", (thread, member))?;
    }
    Ok(ThreadId { thread })
}

/// The members of a thread, which the user must be one of, and the group's name if it is a group.
pub(crate) fn members(tx: &Transaction<'_>, thread: i64, user: &str) -> Result<(Vec<String>, Option<String>), Error> {
    let mut all = tx.prepare_cached("SELECT user FROM members WHERE thread = ?1 ORDER BY user")?;
    let members: Vec<String> = all.query_map([thread], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let name = tx.query_row("SELECT name FROM threads WHERE id = ?1", [thread], |row| row.get(0)).optional()?;
    if members.iter().any(|member| member == user) { Ok((members, name.flatten())) } else { Err(Error::NotFound) }
}

/// Publishes an update of a thread to the sidebars of all members.
pub(crate) async fn update(
    app: &App,
    is_group: bool,
    thread: ThreadId,
    members: &[String],
    origin: &Origin,
    user: &User,
) -> Result<(), Error> {
    let event = match is_group {
        true => Event::typed(&GroupEvent::Updated(thread), &[])?,
        false => Event::typed(&ConversationEvent::Updated(thread), &[])?,
    };
    let event = event.caused_by(origin).except(&origin.of(&user.id));
    app.hub.to_users(members.iter().map(String::as_str)).publish(event).await?;
    Ok(())
}

impl From<i64> for ThreadId {
    fn from(thread: i64) -> Self {
        Self { thread }
    }
}

fn list(tx: &Transaction<'_>, user: &str, groups: bool) -> Result<Vec<Thread>, Error> {
    let mut mine = tx.prepare_cached(
        "SELECT id, name,
                (SELECT count(*) FROM messages WHERE thread = threads.id AND messages.id > read_up_to AND sender <> ?1),
                (SELECT sender || ': ' || text FROM messages WHERE thread = threads.id ORDER BY id DESC LIMIT 1)
         FROM threads JOIN members ON thread = threads.id
         WHERE user = ?1 AND (name IS NOT NULL) = ?2
         ORDER BY (SELECT max(id) FROM messages WHERE thread = threads.id) DESC, id DESC",
    )?;
    let mut threads = mine
        .query_map((user, groups), |row| {
            let name: Option<String> = row.get(1)?;
            Ok(Thread {
                id: row.get(0)?,
                name: name.unwrap_or_default(),
                is_group: groups,
                members: Vec::new(),
                unread: row.get(2)?,
                last: row.get(3)?,
            })
        })?
        .collect::<Result<Vec<_>, _>>()?;
    for thread in &mut threads {
        (thread.members, _) = members(tx, thread.id, user)?;
        if !groups {
            thread.name = thread.members.iter().find(|member| *member != user).cloned().unwrap_or_default();
        }
    }
    Ok(threads)
}
