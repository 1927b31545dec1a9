//! Courses: a title and a number of seats.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use shared::{Body, Error};
use ts_rs::TS;

use crate::{
    App,
    notify::{Resource, with_notification},
    token::Bearer,
};

/// A row of the table.
#[derive(Debug, Serialize, TS)]
pub(crate) struct Course {
    #[ts(type = "number")]
    id: i64,
    title: String,
    seats: u32,
    booked: u32,
}

#[derive(Deserialize)]
pub(crate) struct Edit {
    title: String,
    seats: u32,
}

/// `GET /tables/courses`.
pub(crate) async fn list(State(app): State<App>, _: Bearer) -> Result<Json<Vec<Course>>, Error> {
    let rows = app.db.transact(|tx| {
        let mut all = tx.prepare(
            "SELECT id, title, seats, (SELECT count(*) FROM bookings WHERE course = courses.id) FROM courses ORDER BY title, id",
        )?;
        let rows = all.query_map([], |row| {
            Ok(Course { id: row.get(0)?, title: row.get(1)?, seats: row.get(2)?, booked: row.get(3)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    });
    Ok(Json(rows.await?))
}

/// `POST /tables/courses`.
pub(crate) async fn create(State(app): State<App>, _: Bearer, Body(course): Body<Edit>) -> Result<StatusCode, Error> {
    let db = app.db.clone();
    with_notification(&app.hub, Resource::Course, async move {
        let Edit { title, seats } = checked(course)?;
        let insert = "INSERT INTO courses (title, seats) VALUES (?1, ?2)";
        db.transact(move |tx| Ok(tx.execute(insert, (title, seats))?)).await?;
        Ok(StatusCode::CREATED)
    })
    .await
}

/// `PATCH /tables/courses/{id}`.
pub(crate) async fn update(
    State(app): State<App>,
    _: Bearer,
    Path(id): Path<i64>,
    Body(course): Body<Edit>,
) -> Result<StatusCode, Error> {
    let db = app.db.clone();
    with_notification(&app.hub, Resource::Course, async move {
        let Edit { title, seats } = checked(course)?;
        let update = "UPDATE courses SET title = ?2, seats = ?3 WHERE id = ?1";
        let changed = db.transact(move |tx| Ok(tx.execute(update, (id, title, seats))?)).await?;
        if changed == 0 { Err(Error::NotFound) } else { Ok(StatusCode::NO_CONTENT) }
    })
    .await
}

/// `DELETE /tables/courses/{id}`, with its bookings.
pub(crate) async fn delete(State(app): State<App>, _: Bearer, Path(id): Path<i64>) -> Result<StatusCode, Error> {
    let db = app.db.clone();
    let deleted = async move {
        let deleted = db.transact(move |tx| Ok(tx.execute("DELETE FROM courses WHERE id = ?1", [id])?)).await?;
        if deleted == 0 { Err(Error::NotFound) } else { Ok(StatusCode::NO_CONTENT) }
    };
    let both = with_notification(&app.hub, Resource::Course, deleted).await?;
    with_notification(&app.hub, Resource::Booking, async move { Ok(both) }).await
}

fn checked(course: Edit) -> Result<Edit, Error> {
    let title = course.title.trim();
    let good = (1..=120).contains(&title.chars().count()) && (1..=1000).contains(&course.seats);
    if good {
        Ok(course)
    } else {
        Err(Error::invalid("A course has a title of 1 to 120 characters and 1 to 1,000 seats."))
    }
}
