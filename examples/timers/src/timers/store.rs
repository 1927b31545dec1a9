//! A user's timer in the database.

use rusqlite::{OptionalExtension, Row, Transaction};
use serde::Serialize;
use shared::Error;
use tidings::UserId;
use ts_rs::TS;

use super::model::{Phase, Timer};

/// The running timer, if any: the payload of every event about it. Of two states, the one with the higher revision is newer.
#[derive(Debug, Clone, Serialize, TS)]
pub(crate) struct TimerState {
    #[ts(type = "number")]
    revision: i64,
    timer: Option<Timer>,
}

pub(crate) fn state(tx: &Transaction<'_>, user: &UserId) -> Result<TimerState, Error> {
    Ok(TimerState { revision: revision(tx, user)?, timer: running(tx, user)? })
}

pub(crate) fn revision(tx: &Transaction<'_>, user: &UserId) -> Result<i64, Error> {
    let known = "SELECT revision FROM revisions WHERE user = ?1";
    Ok(tx.query_row(known, [user.as_str()], |row| row.get(0)).optional()?.unwrap_or(0))
}

pub(crate) fn running(tx: &Transaction<'_>, user: &UserId) -> Result<Option<Timer>, Error> {
    Ok(tx.query_row("SELECT * FROM timers WHERE user = ?1", [user.as_str()], timer).optional()?)
}

/// Stores a timer, in place of a running one.
pub(crate) fn put(tx: &Transaction<'_>, user: &UserId, timer: &Timer) -> Result<(), Error> {
    let phase = timer.phase.as_ref();
    tx.execute(
        "INSERT OR REPLACE INTO timers (user, title, mode, started_at, planned_minutes, device_id,
                                        phase_kind, phase_round, phase_minutes, phase_started_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (
            user.as_str(),
            &timer.title,
            timer.mode,
            timer.started_at,
            timer.planned_minutes,
            &timer.device_id,
            phase.map(|phase| phase.kind),
            phase.map(|phase| phase.round),
            phase.map(|phase| phase.minutes),
            phase.map(|phase| phase.started_at),
        ),
    )?;
    count(tx, user)
}

/// Removes the timer. Returns whether one was running.
pub(crate) fn remove(tx: &Transaction<'_>, user: &UserId) -> Result<bool, Error> {
    let removed = tx.execute("DELETE FROM timers WHERE user = ?1", [user.as_str()])? > 0;
    if removed {
        count(tx, user)?;
    }
    Ok(removed)
}

fn count(tx: &Transaction<'_>, user: &UserId) -> Result<(), Error> {
    let next =
        "INSERT INTO revisions (user, revision) VALUES (?1, 1) ON CONFLICT DO UPDATE SET revision = revision + 1";
    tx.execute(next, [user.as_str()])?;
    Ok(())
}

fn timer(row: &Row<'_>) -> rusqlite::Result<Timer> {
    let phase = match row.get("phase_kind")? {
        Some(kind) => Some(Phase {
            kind,
            round: row.get("phase_round")?,
            minutes: row.get("phase_minutes")?,
            started_at: row.get("phase_started_at")?,
        }),
        None => None,
    };
    Ok(Timer {
        title: row.get("title")?,
        mode: row.get("mode")?,
        started_at: row.get("started_at")?,
        planned_minutes: row.get("planned_minutes")?,
        device_id: row.get("device_id")?,
        phase,
    })
}
