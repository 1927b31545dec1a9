//! One row of the table `records`, and how it is verified.
//!
//! The tag chains each entry to its predecessor: `tag = chain(tag before, entry)`. Reading needs nothing else while all
//! is intact. For damage, the column `header` is self-contained:
//!
//! | bytes | hold |
//! |---|---|
//! | 4 | the tag of the record before |
//! | 8 each | the entry's routing keys |
//! | 4 | a checksum of these, of all other columns but the entry, and of the log's epoch |
//!
//! If the entry is damaged and the header is not, the header names the receivers of the record; and the record after a
//! damaged one says by itself what it follows.

use std::collections::VecDeque;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params, types::ToSqlOutput, types::ValueRef};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::error::is_corrupt;

use crate::{
    engine::RoutingKey,
    record::{Entry, Record},
};

/// A fingerprint of the record and, through its predecessor's tag, of all records before it. Two logs that diverged
/// differ from there on. Never 0, which is the origin's tag.
pub(super) fn chain(previous: u32, entry: &[u8]) -> u32 {
    fold(xxh3_64_with_seed(entry, u64::from(previous))).max(1)
}

/// A checksum of bytes: both halves of their hash combined.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    fold(xxh3_64(bytes))
}

fn fold(hash: u64) -> u32 {
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or(0)
}

/// A number as a column holds it.
pub(super) fn number(value: i64) -> u64 {
    value.cast_unsigned()
}

/// JSON bytes as SQLite's text, without verifying again that they are UTF-8.
pub(super) struct Json<'a>(pub(super) &'a [u8]);

impl ToSql for Json<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

/// All columns of a row but the header and the entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) seq: u64,
    pub(super) tag: u32,
    pub(super) key: &'a [u8],
    pub(super) timestamp: u64,
    pub(super) bytes: u64,
}

impl Columns<'_> {
    /// Writes the header of this row into `header`, which is cleared first.
    pub(super) fn header(&self, epoch: u32, before: u32, keys: &[RoutingKey], header: &mut Vec<u8>) {
        header.clear();
        header.extend(before.to_le_bytes());
        for RoutingKey(key) in keys {
            header.extend(key.to_le_bytes());
        }
        let checksum = self.checksum(epoch, header);
        header.extend(checksum.to_le_bytes());
    }

    /// The checksum of the row with this header, up to the checksum itself. The columns are appended to the header for
    /// a moment, so that one hash covers contiguous bytes.
    fn checksum(&self, epoch: u32, header: &mut Vec<u8>) -> u32 {
        let length = header.len();
        for number in [epoch.into(), self.seq, u64::from(self.tag), self.timestamp, self.bytes] {
            header.extend(number.to_le_bytes());
        }
        header.extend(self.key);
        let checksum = checksum(header);
        header.truncate(length);
        checksum
    }

    /// The content of a header, if its checksum matches.
    pub(super) fn verify(&self, epoch: u32, header: &[u8]) -> Option<Header> {
        let (covered, expected) = header.split_last_chunk::<4>()?;
        let (before, keys) = covered.split_first_chunk::<4>()?;
        let (keys, []) = keys.as_chunks::<8>() else { return None };
        let sound = self.checksum(epoch, &mut covered.to_vec()) == u32::from_le_bytes(*expected);
        sound.then(|| Header {
            before: u32::from_le_bytes(*before),
            keys: keys.iter().map(|key| RoutingKey(u64::from_le_bytes(*key))).collect(),
        })
    }
}

/// The content of a row's header.
#[derive(Debug, Clone)]
pub(super) struct Header {
    /// The tag of the record before.
    pub(super) before: u32,
    /// The keys under which the record is filed.
    pub(super) keys: Vec<RoutingKey>,
}

/// A row that may be damaged, with the parts that can be relied on.
#[derive(Debug)]
pub(super) struct Doubtful {
    pub(super) seq: u64,
    /// The tag column, whether or not the header covers it.
    pub(super) tag: Option<u32>,
    pub(super) timestamp: Option<u64>,
    pub(super) bytes: Option<u64>,
    /// The header, if its checksum matches.
    pub(super) header: Option<Header>,
    pub(super) entry: Option<Vec<u8>>,
}

/// The columns that [`Doubtful::of`] reads, in its order. The entry is read separately, because it may be the only
/// unreadable part.
const COLUMNS: &str = "SELECT seq, tag, key, timestamp, bytes, header FROM records";

impl Doubtful {
    fn of(row: &Row<'_>, epoch: u32) -> rusqlite::Result<Self> {
        let seq = number(row.get(0)?);
        let tag = row.get(1).ok();
        let (timestamp, bytes) = (row.get(3).ok().map(number), row.get(4).ok().map(number));
        let key = row.get_ref(2).ok().and_then(|key| key.as_bytes().ok());
        let header = row.get_ref(5).ok().and_then(|header| header.as_bytes().ok());
        let verified = || {
            let columns = Columns { seq, tag: tag?, key: key?, timestamp: timestamp?, bytes: bytes? };
            columns.verify(epoch, header?)
        };
        Ok(Self { seq, tag, timestamp, bytes, header: verified(), entry: None })
    }

    /// The first row from `seq` on that SQLite finds, without its entry.
    pub(super) fn from(connection: &Connection, epoch: u32, seq: u64) -> rusqlite::Result<Option<Self>> {
        let mut select = connection.prepare_cached(&format!("{COLUMNS} WHERE seq >= ?1 ORDER BY seq LIMIT 1"))?;
        select.query_row([seq.cast_signed()], |row| Self::of(row, epoch)).optional()
    }

    /// At most `count` rows from `seq` on, in order, as far as SQLite can read them, without their entries.
    pub(super) fn several(
        connection: &Connection,
        epoch: u32,
        seq: u64,
        count: u32,
    ) -> rusqlite::Result<VecDeque<Self>> {
        let mut select = connection.prepare_cached(&format!("{COLUMNS} WHERE seq >= ?1 ORDER BY seq LIMIT ?2"))?;
        let mut rows = select.query(params![seq.cast_signed(), count])?;
        let mut several = VecDeque::new();
        loop {
            match rows.next() {
                Ok(Some(row)) => several.push_back(Self::of(row, epoch)?),
                Ok(None) => return Ok(several),
                Err(error) if is_corrupt(&error) => return Ok(several),
                Err(error) => return Err(error),
            }
        }
    }

    /// The last row at or before `seq`, without its entry.
    pub(super) fn up_to(connection: &Connection, epoch: u32, seq: u64) -> rusqlite::Result<Option<Self>> {
        let mut select = connection.prepare_cached(&format!("{COLUMNS} WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1"))?;
        select.query_row([seq.cast_signed()], |row| Self::of(row, epoch)).optional()
    }

    /// The row at `seq`, if SQLite can read it, without its entry.
    pub(super) fn at(connection: &Connection, epoch: u32, seq: u64) -> Option<Self> {
        Self::from(connection, epoch, seq).ok().flatten().filter(|row| row.seq == seq)
    }

    /// The row with its entry, if SQLite can read the entry.
    pub(super) fn with_entry(self, connection: &Connection) -> Self {
        let select = connection.prepare_cached("SELECT entry FROM records WHERE seq = ?1");
        let entry = select.and_then(|mut select| {
            select.query_row([self.seq.cast_signed()], |row| Ok(row.get_ref(0)?.as_bytes()?.to_vec()))
        });
        Self { entry: entry.ok(), ..self }
    }

    /// The record, if its entry is intact and follows a record with the tag `before`. The record's own tag may be known
    /// from elsewhere.
    pub(super) fn record(&self, before: u32, tag: Option<u32>) -> Option<Record> {
        let json = self.entry.as_deref()?;
        let fits = chain(before, json);
        let known = self.tag == Some(fits) || tag == Some(fits);
        let entry = known.then(|| Entry::from_bytes(json).ok())??;
        Some(Record { seq: self.seq, tag: fits, entry: entry.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: Columns<'_> = Columns { seq: 7, tag: 9, key: b"key", timestamp: 11, bytes: 13 };

    #[test]
    fn a_header_says_what_was_written() {
        let keys = [RoutingKey(1), RoutingKey(u64::MAX)];
        let mut bytes = vec![1, 2, 3];
        COLUMNS.header(5, 77, &keys, &mut bytes);
        let header = COLUMNS.verify(5, &bytes).unwrap();
        assert_eq!((header.before, header.keys), (77, keys.to_vec()));
    }

    #[test]
    fn any_changed_bit_of_a_header_or_its_row_is_seen() {
        let mut bytes = Vec::new();
        COLUMNS.header(5, 77, &[RoutingKey(3)], &mut bytes);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(COLUMNS.verify(5, &changed).is_none(), "bit {bit}");
        }
        for changed in [
            Columns { seq: 8, ..COLUMNS },
            Columns { tag: 8, ..COLUMNS },
            Columns { key: b"kez", ..COLUMNS },
            Columns { timestamp: 12, ..COLUMNS },
            Columns { bytes: 12, ..COLUMNS },
        ] {
            assert!(changed.verify(5, &bytes).is_none(), "{changed:?}");
        }
        assert!(COLUMNS.verify(6, &bytes).is_none(), "a row of another log");
        for length in 0..bytes.len() {
            assert!(COLUMNS.verify(5, &bytes[..length]).is_none(), "{length} bytes");
        }
    }
}
