//! The members of a project.

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use shared::{Body, Error};
use tidings::UserId;
use ts_rs::TS;

use crate::{
    App,
    write::{Action, Entity, Writer, Written, require_member, write},
};

/// A member. Roles are names only: each member may do everything.
#[derive(Debug, Serialize, TS)]
pub(crate) struct Member {
    user: String,
    role: Role,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Role {
    Owner,
    Editor,
}

#[derive(Deserialize)]
pub(crate) struct New {
    user: String,
}

#[derive(Deserialize)]
pub(crate) struct Edit {
    role: Role,
}

impl Member {
    pub(crate) fn all(tx: &Transaction<'_>, project: i64) -> Result<Vec<Self>, Error> {
        let mut all = tx.prepare_cached("SELECT user, role = 'owner' FROM members WHERE project = ?1 ORDER BY user")?;
        let members = all.query_map([project], |row| {
            let role = if row.get(1)? { Role::Owner } else { Role::Editor };
            Ok(Self { user: row.get(0)?, role })
        })?;
        Ok(members.collect::<Result<_, _>>()?)
    }
}

impl Role {
    fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Editor => "editor",
        }
    }
}

/// `POST /projects/{project}/members`.
pub(crate) async fn add(
    State(app): State<App>,
    Path(project): Path<i64>,
    writer: Writer,
    Body(New { user: name }): Body<New>,
) -> Result<Response, Error> {
    let new = UserId::new(name.trim()).map_err(|_| unknown_user())?;
    if !app.accounts.knows(&new).await? {
        return Err(unknown_user());
    }
    write(app, writer, move |tx, user| {
        require_member(tx, project, user)?;
        let insert = "INSERT OR IGNORE INTO members (project, user, role) VALUES (?1, ?2, 'editor')";
        tx.execute(insert, (project, new.as_str()))?;
        Written::new(tx, Action::Created, Entity::Member, &new, project)
    })
    .await
}

/// `PATCH /projects/{project}/members/{user}`.
pub(crate) async fn change_role(
    State(app): State<App>,
    Path((project, member)): Path<(i64, String)>,
    writer: Writer,
    Body(Edit { role }): Body<Edit>,
) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        require_member(tx, project, user)?;
        require_member(tx, project, &member)?;
        let update = "UPDATE members SET role = ?3 WHERE project = ?1 AND user = ?2";
        tx.execute(update, (project, &member, role.as_str()))?;
        Written::new(tx, Action::Updated, Entity::Member, &member, project)
    })
    .await
}

/// `DELETE /projects/{project}/members/{user}`: the removed member receives the event too.
pub(crate) async fn remove(
    State(app): State<App>,
    Path((project, member)): Path<(i64, String)>,
    writer: Writer,
) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        require_member(tx, project, user)?;
        let written = Written::new(tx, Action::Deleted, Entity::Member, &member, project)?;
        tx.execute("DELETE FROM members WHERE project = ?1 AND user = ?2", (project, &member))?;
        Ok(written)
    })
    .await
}

fn unknown_user() -> Error {
    Error::refused(StatusCode::NOT_FOUND, "unknownUser", "Nobody has logged in by this name yet.")
}
