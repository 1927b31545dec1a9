//! The log as rows: appending to its end and trimming its front, inside a transaction of the caller's.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, ToSql, params, types::ToSqlOutput, types::ValueRef};
use tidings_protocol::Cursor;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::builder::Retention;
use crate::{
    engine::Receipt,
    record::{Entry, Record},
};

/// An entry with the bytes that are stored for it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: Arc<Entry>,
    pub(super) json: Vec<u8>,
}

/// A place between two records: after the one described.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) tag: u32,
    /// The bytes of all entries up to here since the log began.
    pub(super) bytes: u64,
}

/// Where the log begins and ends: all that appending and trimming need to know of what is stored.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) epoch: u32,
    /// Before the first record.
    pub(super) base: Mark,
    /// After the last one.
    pub(super) last: Mark,
    /// Timestamps of the first and the last record; of no meaning in an empty log.
    oldest: u64,
    newest: u64,
}

/// A fingerprint of the record and, through its predecessor's, of all before it. Two logs that parted differ from there on.
/// Never 0, which is the origin's.
pub(super) fn chain(previous: u32, entry: &[u8]) -> u32 {
    let hash = xxh3_64_with_seed(entry, u64::from(previous));
    // Both halves, folded.
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or(0).max(1)
}

/// What a column holds of a number of ours: all are far below 2^63.
fn number(value: i64) -> u64 {
    value.cast_unsigned()
}

fn mark(row: &rusqlite::Row<'_>) -> rusqlite::Result<Mark> {
    Ok(Mark { seq: number(row.get("seq")?), tag: row.get("tag")?, bytes: number(row.get("bytes")?) })
}

/// JSON bytes as SQLite's text, without proving again that they are UTF-8.
struct Json<'a>(&'a [u8]);

impl ToSql for Json<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

impl Position {
    /// Reads it. `None` when the rows contradict each other: numbers with a hole at either end.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let (epoch, base) = connection.query_row("SELECT epoch, seq, tag, bytes FROM log WHERE id = 1", [], |row| {
            Ok((row.get("epoch")?, mark(row)?))
        })?;
        let end = |order: &str| {
            let sql = format!("SELECT seq, tag, bytes, timestamp FROM records ORDER BY seq {order} LIMIT 1");
            connection.query_row(&sql, [], |row| Ok((mark(row)?, number(row.get("timestamp")?)))).optional()
        };
        let ends = end("ASC")?.zip(end("DESC")?);
        let Some(((first, oldest), (last, newest))) = ends else {
            return Ok(Some(Self { epoch, base, last: base, oldest: 0, newest: 0 }));
        };
        let sound = first.seq == base.seq + 1 && first.bytes > base.bytes && last.bytes >= first.bytes;
        Ok(sound.then_some(Self { epoch, base, last, oldest, newest }))
    }

    /// Stores an entry at the end unless its key is known; the record, when it was stored.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        stored: &Stored,
    ) -> rusqlite::Result<(Receipt, Option<Record>)> {
        let Stored { entry, json } = stored;
        let next = Mark {
            seq: self.last.seq + 1,
            tag: chain(self.last.tag, json),
            bytes: self.last.bytes + json.len() as u64,
        };
        let timestamp = entry.timestamp.0;
        let key = entry.key.as_str();
        let mut insert = connection.prepare_cached(
            "INSERT INTO records (seq, tag, key, timestamp, bytes, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (key) DO NOTHING",
        )?;
        let inserted = insert.execute(params![
            next.seq.cast_signed(),
            next.tag,
            key,
            timestamp.cast_signed(),
            next.bytes.cast_signed(),
            Json(json)
        ])?;
        if inserted == 0 {
            let mut known = connection.prepare_cached("SELECT seq, tag FROM records WHERE key = ?1")?;
            let cursor = known.query_row([key], |row| {
                Ok(Cursor { epoch: self.epoch, seq: number(row.get("seq")?), tag: row.get("tag")? })
            })?;
            return Ok((Receipt { cursor, duplicate: true }, None));
        }
        if self.last.seq == self.base.seq {
            self.oldest = timestamp;
        }
        self.newest = timestamp;
        self.last = next;
        let cursor = Cursor { epoch: self.epoch, seq: next.seq, tag: next.tag };
        let record = Record { seq: next.seq, tag: next.tag, entry: entry.clone() };
        Ok((Receipt { cursor, duplicate: false }, Some(record)))
    }

    /// Whether the log holds more than it should.
    pub(super) fn exceeds(&self, retention: &Retention) -> bool {
        self.last.seq > self.base.seq && self.beyond(retention, self.base, self.oldest)
    }

    /// Whether the record after `before` has to go.
    fn beyond(&self, retention: &Retention, before: Mark, timestamp: u64) -> bool {
        self.last.seq - before.seq > retention.records
            || self.last.bytes - before.bytes > retention.bytes
            || timestamp < self.newest.saturating_sub(retention.age_ms)
    }

    /// Removes what is beyond the bounds from the front, at most `limit` records.
    pub(super) fn trim(
        &mut self,
        connection: &Connection,
        retention: &Retention,
        limit: usize,
    ) -> rusqlite::Result<()> {
        if !self.exceeds(retention) {
            return Ok(());
        }
        let mut front = connection
            .prepare_cached("SELECT seq, tag, bytes, timestamp FROM records WHERE seq > ?1 ORDER BY seq LIMIT ?2")?;
        // One more than may go: the first that stays tells how old the log is.
        let limit = i64::try_from(limit).unwrap_or(i64::MAX - 1);
        let mut rows = front.query([self.base.seq.cast_signed(), limit + 1])?;
        let mut base = self.base;
        let mut removed = 0;
        while let Some(row) = rows.next()? {
            self.oldest = number(row.get("timestamp")?);
            if removed == limit || !self.beyond(retention, base, self.oldest) {
                break;
            }
            base = mark(row)?;
            removed += 1;
        }
        drop(rows);
        self.base = base;
        connection.prepare_cached("DELETE FROM records WHERE seq <= ?1")?.execute([base.seq.cast_signed()])?;
        connection.prepare_cached("UPDATE log SET seq = ?1, tag = ?2, bytes = ?3")?.execute(params![
            base.seq.cast_signed(),
            base.tag,
            base.bytes.cast_signed()
        ])?;
        Ok(())
    }
}
