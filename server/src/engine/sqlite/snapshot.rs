//! The log as one read transaction sees it.

use rusqlite::{Connection, OptionalExtension};
use tidings_protocol::Cursor;

use super::{
    base::Base,
    damage::{self, Examined},
    row::{self, Doubtful, number},
    shared::Place,
    tags,
};
use crate::{
    engine::{Bounds, Limit, Location, ReadError},
    record::{Entry, Record},
};

/// A log at one moment.
pub(super) struct Snapshot<'c> {
    /// In a transaction.
    pub(super) connection: &'c Connection,
    pub(super) base: Base,
    /// The last record that was known to the writer **before** the transaction began: no log that is sound ends before it.
    pub(super) end: Cursor,
}

impl<'c> Snapshot<'c> {
    /// Takes what the transaction sees; `end` was read before it began.
    pub(super) fn new(connection: &'c Connection, end: Cursor) -> rusqlite::Result<Self> {
        let base = Base::load(connection)?;
        // All that was known to be the end may have left since.
        let end = if end.seq < base.mark.seq { base.cursor() } else { end };
        Ok(Self { connection, base, end })
    }

    /// Where the log begins and ends.
    pub(super) fn bounds(&self) -> rusqlite::Result<Bounds> {
        // A commit may have come between. What is there but unsound does not count: its number may be damaged too.
        let newer = match Doubtful::up_to(self.connection, self.base.epoch, i64::MAX.cast_unsigned()) {
            Ok(row) => row.filter(|row| row.seq > self.end.seq && row.header.is_some()),
            // The writer knows where the log ends.
            Err(error) if super::error::is_corrupt(&error) => None,
            Err(error) => return Err(error),
        };
        let end = newer.and_then(|row| Some(self.base.at(row.seq, row.tag?))).unwrap_or(self.end);
        Ok(Bounds {
            epoch: self.base.epoch,
            first: self.base.mark.seq + 1,
            last: end.seq,
            base_tag: Some(self.base.mark.tag),
            last_tag: Some(end.tag),
        })
    }

    /// The tag of the record at `seq`, where it is held, or right before the first, and known.
    pub(super) fn tag(&self, seq: u64) -> Option<u32> {
        if seq == self.base.mark.seq {
            return Some(self.base.mark.tag);
        }
        if seq < self.base.mark.seq {
            return None;
        }
        let row = Doubtful::at(self.connection, self.base.epoch, seq);
        if let Some(row) = row.filter(|row| row.header.is_some()) {
            return row.tag;
        }
        if seq == self.end.seq {
            return Some(self.end.tag);
        }
        // The next record says what it follows.
        let next = Doubtful::at(self.connection, self.base.epoch, seq.checked_add(1)?)?;
        next.header.map(|header| header.before)
    }

    /// What can be said of a cursor.
    pub(super) fn locate(&self, cursor: Cursor) -> rusqlite::Result<Location> {
        if cursor.epoch != self.base.epoch {
            return Ok(Location::Epoch);
        }
        if cursor.seq < self.base.mark.seq {
            return tags::locate(self.connection, &self.base, cursor.seq, cursor.tag);
        }
        // A tag that fits needs no further proof.
        if i64::try_from(cursor.seq).is_err() {
            return Ok(Location::Diverged);
        }
        let mut select = self.connection.prepare_cached("SELECT tag FROM records WHERE seq = ?1")?;
        let stored = match select.query_row([cursor.seq.cast_signed()], |row| row.get::<_, i64>(0)).optional() {
            Err(error) if error.sqlite_error_code().is_some() && !super::error::is_corrupt(&error) => {
                return Err(error);
            }
            stored => stored.ok().flatten(),
        };
        let fits = stored == Some(i64::from(cursor.tag)) && cursor.seq > self.base.mark.seq
            || self.tag(cursor.seq) == Some(cursor.tag);
        Ok(if fits { Location::Held } else { Location::Diverged })
    }

    /// The records after `after`, each checked against its predecessor's tag. `known` is the damage that was found there before.
    pub(super) fn page(
        &self,
        after: Cursor,
        limit: Limit,
        known: Option<Place>,
    ) -> rusqlite::Result<Result<Page, ReadError>> {
        match self.locate(after)? {
            Location::Held => {}
            Location::Trimmed => return Ok(Err(ReadError::Trimmed { base: self.base.cursor() })),
            Location::Forgotten => return Ok(Err(ReadError::Forgotten)),
            Location::Diverged => return Ok(Err(ReadError::Diverged)),
            Location::Epoch => return Ok(Err(ReadError::Epoch)),
        }
        let (records, stopped) = self.sound(after, limit)?;
        let is_whole = stopped == Stopped::Limit || stopped == Stopped::End && after.seq >= self.end.seq;
        if is_whole || !records.is_empty() {
            return Ok(Ok(Page { records, mended: None }));
        }
        let examined = match known {
            Some(place) => Examined::Damaged(place),
            None => damage::examine(self, after)?,
        };
        Ok(match examined {
            Examined::Sound(record) => Ok(Page { mended: Some(record.seq), records: vec![record] }),
            // Nobody was ever told of what stands behind the end.
            Examined::Damaged(_) if after.seq >= self.end.seq => Ok(Page { records, mended: None }),
            Examined::Damaged(Place { through, keys }) => Err(ReadError::Damaged { through, keys }),
        })
    }

    /// The records after `after` as far as all is well.
    fn sound(&self, after: Cursor, limit: Limit) -> rusqlite::Result<(Vec<Record>, Stopped)> {
        let count = i64::try_from(limit.records).unwrap_or(i64::MAX);
        let sql = "SELECT seq, tag, entry FROM records WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let mut select = self.connection.prepare_cached(sql)?;
        let mut rows = select.query([after.seq.cast_signed(), count])?;
        let mut page: Vec<Record> = Vec::with_capacity(limit.records.min(1_000));
        let (mut seq, mut previous, mut bytes) = (after.seq, after.tag, 0);
        while page.len() < limit.records {
            let row = match rows.next() {
                Ok(Some(row)) => row,
                Ok(None) => return Ok((page, Stopped::End)),
                Err(error) if super::error::is_corrupt(&error) => return Ok((page, Stopped::Damage)),
                Err(error) => return Err(error),
            };
            let record = (|| {
                let json = row.get_ref(2).ok()?.as_bytes().ok()?;
                let tag = row.get(1).ok()?;
                let fits = number(row.get(0).ok()?) == seq + 1 && row::chain(previous, json) == tag;
                let entry = fits.then(|| Entry::from_bytes(json).ok())??;
                Some(Record { seq: seq + 1, tag, entry: entry.into() })
            })();
            let Some(record) = record else { return Ok((page, Stopped::Damage)) };
            (seq, previous) = (record.seq, record.tag);
            bytes += record.entry.payload.get().len();
            page.push(record);
            if bytes >= limit.bytes {
                break;
            }
        }
        Ok((page, Stopped::Limit))
    }
}

/// What was read.
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// The record whose row is damaged, although it could be read.
    pub(super) mended: Option<u64>,
}

/// Why a page goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Limit,
    End,
    Damage,
}
