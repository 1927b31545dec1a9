//! Reading a page of the log: the intact records, or the error where there are none.

use tidings_protocol::Cursor;

use super::{
    damage::{self, Examined},
    place::Place,
    row::{self, number},
    snapshot::Snapshot,
};
use crate::{
    engine::{Limit, Location, ReadError},
    record::{Entry, Record},
};

impl Snapshot<'_> {
    /// The records after `after`, each checked against its predecessor's tag. `known` is damage that was found there
    /// before.
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
            // A row beyond the end was never acknowledged, so its damage is not reported.
            Examined::Damaged(_) if after.seq >= self.end.seq => Ok(Page { records, mended: None }),
            Examined::Damaged(Place { through, keys }) => Err(ReadError::Damaged { through, keys }),
        })
    }

    /// The intact records after `after`.
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

/// A page that was read.
pub(super) struct Page {
    pub(super) records: Vec<Record>,
    /// The record whose row is damaged but which could be read.
    pub(super) mended: Option<u64>,
}

/// Why a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopped {
    Limit,
    End,
    Damage,
}
