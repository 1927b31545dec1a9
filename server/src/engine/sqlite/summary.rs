//! The last use of each routing key in the part of the log that was trimmed.
//!
//! The table is bounded. The keys with the oldest last use are dropped first, and then [`Base::floor`] counts for every
//! key that is not in the table. Damaged keys count as moved up to the log's beginning.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    base::Base,
    error::is_corrupt,
    row::{checksum, number},
};
use crate::engine::RoutingKey;

fn covering(key: RoutingKey, last: u64) -> u32 {
    checksum([key.0.to_le_bytes(), last.to_le_bytes()].as_flattened())
}

/// Adds the keys that one step of trimming removes, each with its last record. At most `most` keys are kept.
pub(super) fn fold(
    connection: &Connection,
    base: &mut Base,
    keys: &BTreeMap<RoutingKey, u64>,
    most: u64,
) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached("UPDATE summary SET last = ?2, checksum = ?3 WHERE key = ?1")?;
    let mut insert = connection.prepare_cached("INSERT INTO summary (key, last, checksum) VALUES (?1, ?2, ?3)")?;
    for (key, last) in keys {
        let row = params![key.0.cast_signed(), last.cast_signed(), covering(*key, *last)];
        if update.execute(row)? == 0 {
            insert.execute(row)?;
            base.keys += 1;
        }
    }
    let Some(surplus) = base.keys.checked_sub(most).filter(|surplus| *surplus > 0) else { return Ok(()) };
    let mut oldest = connection.prepare_cached("SELECT key, last FROM summary ORDER BY last LIMIT ?1")?;
    let oldest = oldest.query_map([surplus.cast_signed()], |row| Ok((row.get::<_, i64>(0)?, number(row.get(1)?))))?;
    let mut delete = connection.prepare_cached("DELETE FROM summary WHERE key = ?1")?;
    for (key, last) in oldest.collect::<rusqlite::Result<Vec<_>>>()? {
        delete.execute([key])?;
        base.floor = base.floor.max(last);
        base.keys -= 1;
    }
    Ok(())
}

/// The last trimmed record of each key, or the last that may have been one; and whether a row was damaged.
pub(super) fn moved(connection: &Connection, base: &Base, keys: &[RoutingKey]) -> rusqlite::Result<(Vec<u64>, bool)> {
    let mut select = connection.prepare_cached("SELECT last, checksum FROM summary WHERE key = ?1")?;
    let mut damaged = false;
    let moved = keys.iter().map(|key| {
        let found = select.query_row([key.0.cast_signed()], |row| Ok((number(row.get(0)?), row.get::<_, i64>(1)?)));
        let last = match found.optional() {
            Ok(None) => base.floor,
            Ok(Some((last, expected))) if i64::from(covering(*key, last)) == expected => last,
            Err(error) if !is_corrupt(&error) && error.sqlite_error_code().is_some() => return Err(error),
            Ok(Some(_)) | Err(_) => {
                damaged = true;
                base.mark.seq
            }
        };
        Ok(last.max(base.lost))
    });
    let moved = moved.collect::<rusqlite::Result<_>>()?;
    Ok((moved, damaged))
}

/// Whether every row is intact, and their number is right. A key that was changed could not be found, and would count
/// as unused.
pub(super) fn is_sound(connection: &Connection, base: &Base) -> rusqlite::Result<bool> {
    let mut select = connection.prepare("SELECT key, last, checksum FROM summary")?;
    let mut rows = select.query([])?;
    let mut count = 0;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(count == base.keys),
            Err(error) if is_corrupt(&error) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok((key, last, expected)) =
            (|| Ok::<_, rusqlite::Error>((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?)))()
        else {
            return Ok(false);
        };
        if i64::from(covering(RoutingKey(number(key)), number(last))) != expected {
            return Ok(false);
        }
        count += 1;
    }
}

/// Resets the summary: every key counts as moved.
pub(super) fn reset(connection: &Connection, base: &mut Base) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let anew = Base { floor: base.mark.seq, lost: base.mark.seq, keys: 0, ..*base };
    anew.store(&transaction)?;
    transaction.execute_batch("DELETE FROM summary; REINDEX summary_last")?;
    transaction.commit()?;
    *base = anew;
    Ok(())
}
