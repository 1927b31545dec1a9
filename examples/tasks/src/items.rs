//! Tasks, labels and categories: the named items of a project. Only tasks have further fields.

use axum::{
    extract::{Path, State},
    response::Response,
};
use rusqlite::{
    OptionalExtension, Transaction,
    types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef},
};
use serde::{Deserialize, Serialize};
use shared::{Body, Error};
use ts_rs::TS;

use crate::{
    App,
    write::{Action, Entity, Writer, Written, checked, require_member, write},
};

/// A task, label or category.
#[derive(Debug, Serialize, TS)]
pub(crate) struct Item {
    #[ts(type = "number")]
    id: i64,
    name: String,
    done: bool,
    #[ts(type = "number | null")]
    label: Option<i64>,
    #[ts(type = "number | null")]
    category: Option<i64>,
}

#[derive(Deserialize)]
pub(crate) struct New {
    entity: Entity,
    name: String,
}

/// Absent fields stay unchanged. The label or category 0 removes it.
#[derive(Deserialize)]
pub(crate) struct Edit {
    name: Option<String>,
    done: Option<bool>,
    label: Option<i64>,
    category: Option<i64>,
}

impl Item {
    /// All items of a kind in a project.
    pub(crate) fn all(tx: &Transaction<'_>, project: i64, entity: Entity) -> Result<Vec<Self>, Error> {
        let mut all = tx.prepare_cached(
            "SELECT id, name, done, label, category FROM items WHERE project = ?1 AND entity = ?2 ORDER BY id",
        )?;
        let items = all.query_map((project, entity), |row| {
            Ok(Self {
                id: row.get(0)?,
                name: row.get(1)?,
                done: row.get(2)?,
                label: row.get(3)?,
                category: row.get(4)?,
            })
        })?;
        Ok(items.collect::<Result<_, _>>()?)
    }
}

/// `POST /projects/{project}/items`.
pub(crate) async fn create(
    State(app): State<App>,
    Path(project): Path<i64>,
    writer: Writer,
    Body(New { entity, name }): Body<New>,
) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        require_member(tx, project, user)?;
        if !matches!(entity, Entity::Task | Entity::Label | Entity::Category) {
            return Err(Error::invalid("An item is a task, label or category."));
        }
        let insert = "INSERT INTO items (project, entity, name) VALUES (?1, ?2, ?3)";
        tx.execute(insert, (project, entity, checked(&name)?))?;
        Written::new(tx, Action::Created, entity, &tx.last_insert_rowid(), project)
    })
    .await
}

/// `PATCH /items/{id}`.
pub(crate) async fn update(
    State(app): State<App>,
    Path(id): Path<i64>,
    writer: Writer,
    Body(edit): Body<Edit>,
) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        let (project, entity) = find(tx, id, user)?;
        let name = edit.name.as_deref().map(checked).transpose()?;
        for part in [edit.label, edit.category].into_iter().flatten().filter(|part| *part != 0) {
            if find(tx, part, user)?.0 != project {
                return Err(Error::NotFound);
            }
        }
        tx.execute(
            "UPDATE items SET name = coalesce(?2, name), done = coalesce(?3, done),
                              label = nullif(coalesce(?4, label), 0), category = nullif(coalesce(?5, category), 0)
             WHERE id = ?1",
            (id, name, edit.done, edit.label, edit.category),
        )?;
        Written::new(tx, Action::Updated, entity, &id, project)
    })
    .await
}

/// `DELETE /items/{id}`.
pub(crate) async fn delete(State(app): State<App>, Path(id): Path<i64>, writer: Writer) -> Result<Response, Error> {
    write(app, writer, move |tx, user| {
        let (project, entity) = find(tx, id, user)?;
        tx.execute("DELETE FROM items WHERE id = ?1", [id])?;
        Written::new(tx, Action::Deleted, entity, &id, project)
    })
    .await
}

/// The project and kind of an item that the user may change.
fn find(tx: &Transaction<'_>, id: i64, user: &str) -> Result<(i64, Entity), Error> {
    let one = "SELECT project, entity FROM items WHERE id = ?1";
    let found: Option<(i64, Entity)> = tx.query_row(one, [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (project, entity) = found.ok_or(Error::NotFound)?;
    require_member(tx, project, user)?;
    Ok((project, entity))
}

impl ToSql for Entity {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(match self {
            Self::Task => "task",
            Self::Project => "project",
            Self::Label => "label",
            Self::Category => "category",
            Self::Member => "member",
        }))
    }
}

impl FromSql for Entity {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value.as_str()? {
            "task" => Ok(Self::Task),
            "label" => Ok(Self::Label),
            "category" => Ok(Self::Category),
            other => Err(FromSqlError::Other(format!("no kind of item: {other:?}").into())),
        }
    }
}
