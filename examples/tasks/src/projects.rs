//! Projects, each with its members and items.

use axum::{
    Json,
    extract::{Path, State},
    response::Response,
};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use shared::{Body, Error, User};
use ts_rs::TS;

use crate::{
    App,
    items::Item,
    members::Member,
    write::{Action, Entity, Writer, Written, checked, require_member, write},
};

/// A project, as its members see it.
#[derive(Debug, Serialize, TS)]
pub(crate) struct Project {
    #[ts(type = "number")]
    id: i64,
    name: String,
    members: Vec<Member>,
    tasks: Vec<Item>,
    labels: Vec<Item>,
    categories: Vec<Item>,
}

#[derive(Deserialize)]
pub(crate) struct Name {
    name: String,
}

/// `GET /projects`: the projects of which the user is a member.
pub(crate) async fn list(State(app): State<App>, user: User) -> Result<Json<Vec<Project>>, Error> {
    let projects = app.db.transact(move |tx| {
        let mut mine = tx.prepare_cached(
            "SELECT id, name FROM projects JOIN members ON project = id WHERE user = ?1 ORDER BY name, id",
        )?;
        let mine = mine.query_map([user.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        mine.map(|row| row.map_err(Error::from).and_then(|(id, name)| project(tx, id, name))).collect()
    });
    Ok(Json(projects.await?))
}

/// `POST /projects`.
pub(crate) async fn create(
    State(app): State<App>,
    writer: Writer,
    Body(Name { name }): Body<Name>,
) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        tx.execute("INSERT INTO projects (name) VALUES (?1)", [checked(&name)?])?;
        let id = tx.last_insert_rowid();
        tx.execute("INSERT INTO members (project, user, role) VALUES (?1, ?2, 'owner')", (id, user))?;
        Written::new(tx, Action::Created, Entity::Project, &id, id)
    })
    .await
}

/// `PATCH /projects/{project}`.
pub(crate) async fn rename(
    State(app): State<App>,
    Path(id): Path<i64>,
    writer: Writer,
    Body(Name { name }): Body<Name>,
) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        require_member(tx, id, user)?;
        tx.execute("UPDATE projects SET name = ?2 WHERE id = ?1", (id, checked(&name)?))?;
        Written::new(tx, Action::Updated, Entity::Project, &id, id)
    })
    .await
}

/// `DELETE /projects/{project}`: deletes the project with everything in it.
pub(crate) async fn delete(State(app): State<App>, Path(id): Path<i64>, writer: Writer) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        require_member(tx, id, user)?;
        let written = Written::new(tx, Action::Deleted, Entity::Project, &id, id)?;
        tx.execute("DELETE FROM projects WHERE id = ?1", [id])?;
        Ok(written)
    })
    .await
}

fn project(tx: &Transaction<'_>, id: i64, name: String) -> Result<Project, Error> {
    let of = |entity| Item::all(tx, id, entity);
    Ok(Project {
        id,
        name,
        members: Member::all(tx, id)?,
        tasks: of(Entity::Task)?,
        labels: of(Entity::Label)?,
        categories: of(Entity::Category)?,
    })
}
