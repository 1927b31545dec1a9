//! Bookings: a guest takes a seat in a course.

use axum::{
    Json,
    extract::{Path, State},
};
use http::StatusCode;
use rusqlite::OptionalExtension;
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
pub(crate) struct Booking {
    #[ts(type = "number")]
    id: i64,
    course: String,
    guest: String,
}

#[derive(Deserialize)]
pub(crate) struct New {
    course: i64,
    guest: String,
}

/// `GET /tables/bookings`.
pub(crate) async fn list(State(app): State<App>, _: Bearer) -> Result<Json<Vec<Booking>>, Error> {
    let rows = app.db.transact(|tx| {
        let mut all = tx.prepare(
            "SELECT bookings.id, title, guest FROM bookings JOIN courses ON courses.id = course ORDER BY title, bookings.id",
        )?;
        let rows =
            all.query_map([], |row| Ok(Booking { id: row.get(0)?, course: row.get(1)?, guest: row.get(2)? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    });
    Ok(Json(rows.await?))
}

/// `POST /tables/bookings`: a full course refuses it, and then nothing is published.
pub(crate) async fn create(State(app): State<App>, _: Bearer, Body(new): Body<New>) -> Result<StatusCode, Error> {
    let db = app.db.clone();
    with_notification(&app.hub, Resource::Booking, async move {
        let guest = new.guest.trim().to_owned();
        if !(1..=120).contains(&guest.chars().count()) {
            return Err(Error::invalid("A guest's name is 1 to 120 characters."));
        }
        db.transact(move |tx| {
            let free =
                "SELECT seats > (SELECT count(*) FROM bookings WHERE course = courses.id) FROM courses WHERE id = ?1";
            match tx.query_row(free, [new.course], |row| row.get(0)).optional()? {
                Some(true) => {}
                Some(false) => return Err(Error::refused(StatusCode::CONFLICT, "full", "This course is full.")),
                None => return Err(Error::NotFound),
            }
            tx.execute("INSERT INTO bookings (course, guest) VALUES (?1, ?2)", (new.course, guest))?;
            Ok(StatusCode::CREATED)
        })
        .await
    })
    .await
}

/// `DELETE /tables/bookings/{id}`.
pub(crate) async fn delete(State(app): State<App>, _: Bearer, Path(id): Path<i64>) -> Result<StatusCode, Error> {
    let db = app.db.clone();
    with_notification(&app.hub, Resource::Booking, async move {
        let deleted = db.transact(move |tx| Ok(tx.execute("DELETE FROM bookings WHERE id = ?1", [id])?)).await?;
        if deleted == 0 { Err(Error::NotFound) } else { Ok(StatusCode::NO_CONTENT) }
    })
    .await
}
