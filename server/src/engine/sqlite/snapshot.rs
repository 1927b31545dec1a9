//! The log as one read transaction sees it.

use rusqlite::{Connection, OptionalExtension};
use tidings_protocol::Cursor;

use super::{base::Base, row::Doubtful, tags};
use crate::engine::{Bounds, Location};

/// A log at one moment.
pub(super) struct Snapshot<'c> {
    /// The connection, inside a transaction.
    pub(super) connection: &'c Connection,
    pub(super) base: Base,
    /// The last record that the writer knew **before** the transaction began: an intact log does not end before it.
    pub(super) end: Cursor,
}

impl<'c> Snapshot<'c> {
    /// The log as this transaction sees it. `end` was read before the transaction began.
    pub(super) fn new(connection: &'c Connection, end: Cursor) -> rusqlite::Result<Self> {
        let base = Base::load(connection)?;
        // All records up to the known end may have been trimmed since.
        let end = if end.seq < base.mark.seq { base.cursor() } else { end };
        Ok(Self { connection, base, end })
    }

    /// Where the log begins and ends.
    pub(super) fn bounds(&self) -> rusqlite::Result<Bounds> {
        // A commit may have come in between. A damaged row does not count, because its number may be damaged too.
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

    /// The tag of the record at `seq`, if the record is in the log or right before its first one, and the tag is known.
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
        // The next record names the tag that it follows.
        let next = Doubtful::at(self.connection, self.base.epoch, seq.checked_add(1)?)?;
        next.header.map(|header| header.before)
    }

    /// Where a cursor lies.
    pub(super) fn locate(&self, cursor: Cursor) -> rusqlite::Result<Location> {
        if cursor.epoch != self.base.epoch {
            return Ok(Location::Epoch);
        }
        if cursor.seq < self.base.mark.seq {
            return tags::locate(self.connection, &self.base, cursor.seq, cursor.tag);
        }
        // A matching tag needs no further proof.
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
}
