//! Where the log ends, and appending to it, inside a transaction of the caller.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Statement, params};
use tidings_protocol::{Cursor, Key};

use super::{
    base::{Base, Mark},
    error::{corrupt, is_corrupt},
    row::{Columns, Doubtful, Json, chain, number},
    snapshot::Snapshot,
};
use crate::{
    engine::{Receipt, RoutingKey},
    record::{Entry, Record},
};

/// How many rows at the end are searched for the last sound one.
const LOOK_BACK: usize = 10_000;

/// An entry together with its stored bytes.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) entry: Arc<Entry>,
    pub(super) json: Vec<u8>,
    pub(super) keys: Vec<RoutingKey>,
}

impl From<Arc<Entry>> for Stored {
    fn from(entry: Arc<Entry>) -> Self {
        Self { json: entry.to_bytes(), keys: entry.routing_keys(), entry }
    }
}

/// Where the log begins and ends: all that appending and trimming need to know of the stored records.
#[derive(Debug, Clone)]
pub(super) struct Position {
    pub(super) base: Base,
    /// The place after the last record.
    pub(super) last: Mark,
}

/// A log's position, and where the log was cut off if records are missing at its end.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) position: Position,
    /// The last row, if it lies before the last acknowledged record.
    pub(super) cut_after: Option<u64>,
}

impl Position {
    /// Reads the position. `acknowledged` is the least that was acknowledged of the log with this epoch: the log
    /// continues after it, and records that are missing before it are damage.
    pub(super) fn load(
        connection: &Connection,
        acknowledged: impl FnOnce(u32) -> Option<Mark>,
    ) -> rusqlite::Result<Found> {
        let base = Base::load(connection)?;
        let acknowledged = acknowledged(base.epoch).filter(|acknowledged| acknowledged.seq >= base.mark.seq);
        let last = match (last_row(connection, &base), acknowledged) {
            (Ok(last), _) => last,
            // The last pages are unreadable, but the end is known, and reading will report the damage.
            (Err(error), Some(last)) if is_corrupt(&error) => last,
            (Err(error), _) => return Err(error),
        };
        Ok(match acknowledged {
            Some(acknowledged) if acknowledged.seq >= last.seq => Found {
                position: Self { base, last: acknowledged },
                cut_after: (acknowledged.seq > last.seq).then_some(last.seq),
            },
            _ => Found { position: Self { base, last }, cut_after: None },
        })
    }

    /// The cursor of the last record.
    pub(super) fn end(&self) -> Cursor {
        self.base.at(self.last.seq, self.last.tag)
    }

    /// The statement by which [`append`](Self::append) stores, prepared once for many entries, because finding it again
    /// costs a tenth of using it.
    pub(super) fn insert(connection: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
        connection.prepare_cached(
            "INSERT INTO records (seq, tag, key, timestamp, bytes, header, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (key) DO NOTHING",
        )
    }

    /// Stores an entry at the end unless its key is known. Returns the record if it was stored. `header` is a buffer to
    /// reuse.
    pub(super) fn append(
        &mut self,
        connection: &Connection,
        insert: &mut Statement<'_>,
        stored: &Stored,
        header: &mut Vec<u8>,
    ) -> rusqlite::Result<(Receipt, Option<Record>)> {
        let Stored { entry, json, keys } = stored;
        let next = Mark {
            seq: self.last.seq + 1,
            tag: chain(self.last.tag, json),
            bytes: self.last.bytes + json.len() as u64,
        };
        let timestamp = entry.timestamp.0;
        let key = entry.key.as_str();
        let columns = Columns { seq: next.seq, tag: next.tag, key: key.as_bytes(), timestamp, bytes: next.bytes };
        columns.header(self.base.epoch, self.last.tag, keys, header);
        let inserted = insert.execute(params![
            next.seq.cast_signed(),
            next.tag,
            key,
            timestamp.cast_signed(),
            next.bytes.cast_signed(),
            &*header,
            Json(json)
        ])?;
        if inserted == 0 {
            let (seq, tag) = self.known(connection, &entry.key)?;
            return Ok((Receipt { cursor: self.base.at(seq, tag), duplicate: true }, None));
        }
        self.last = next;
        let record = Record { seq: next.seq, tag: next.tag, entry: entry.clone() };
        Ok((Receipt { cursor: self.base.at(next.seq, next.tag), duplicate: false }, Some(record)))
    }

    /// The tag of a record.
    fn tag(&self, connection: &Connection, seq: u64) -> Option<u32> {
        Snapshot { connection, base: self.base, end: self.end() }.tag(seq)
    }

    /// The position of the record that the index has for a key.
    fn known(&self, connection: &Connection, key: &Key) -> rusqlite::Result<(u64, u32)> {
        let mut select = connection.prepare_cached("SELECT seq FROM records WHERE key = ?1")?;
        let seq = select.query_row([key.as_str()], |row| row.get(0)).optional()?.map(number);
        let found = seq.and_then(|seq| {
            let row = Doubtful::at(connection, self.base.epoch, seq)?;
            // The header covers the column as it is in the table, and not as it is in the index.
            let mut column = connection.prepare_cached("SELECT key FROM records NOT INDEXED WHERE seq = ?1").ok()?;
            let column = column.query_row([seq.cast_signed()], |row| row.get::<_, String>(0)).ok();
            let is_known = match &row.header {
                Some(_) => column.as_deref() == Some(key.as_str()),
                // The entry also has the key.
                None => Entry::from_bytes(row.with_entry(connection).entry.as_deref()?).ok()?.key == *key,
            };
            is_known.then_some((seq, self.tag(connection, seq)?))
        });
        found.ok_or_else(|| {
            corrupt("the index of keys is damaged: it leads to a record of another key, or to an unreadable one")
        })
    }
}

/// The last record of the table.
fn last_row(connection: &Connection, base: &Base) -> rusqlite::Result<Mark> {
    let mut unsound = Vec::new();
    let mut up_to = i64::MAX.cast_unsigned();
    let sound = loop {
        let row = Doubtful::up_to(connection, base.epoch, up_to)?.filter(|row| row.seq > base.mark.seq);
        match row {
            Some(Doubtful { seq, tag: Some(tag), bytes: Some(bytes), header: Some(_), .. }) => {
                break Mark { seq, tag, bytes };
            }
            Some(row) if unsound.len() < LOOK_BACK => {
                up_to = row.seq - 1;
                unsound.push(row);
            }
            _ => break base.mark,
        }
    };
    // Damaged rows right after it count as records. A number far off was itself damaged.
    let mut last = sound;
    while let Some(row) = unsound.pop().filter(|row| row.seq == last.seq + 1) {
        last = Mark { seq: row.seq, tag: row.tag.unwrap_or(1).max(1), ..last };
    }
    Ok(last)
}
