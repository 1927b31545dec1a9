//! The one row of the table `log`: the record before the first one, and the state that trimming needs.

use rusqlite::{Connection, params};
use tidings_protocol::Cursor;

use super::{
    error::corrupt,
    row::{checksum, number},
};

/// A place between two records: after the described one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) tag: u32,
    /// The bytes of all entries up to here since the log began.
    pub(super) bytes: u64,
}

impl Mark {
    /// The place before the very first record.
    pub(super) const ORIGIN: Self = Self { seq: 0, tag: 0, bytes: 0 };
}

/// The row of the table `log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) epoch: u32,
    /// The place before the first record in the log.
    pub(super) mark: Mark,
    /// The last record of a key that the summary dropped for lack of room.
    pub(super) floor: u64,
    /// The last record that was trimmed while its keys were unknown because of damage; it counts for all keys.
    pub(super) lost: u64,
    /// The number of keys in the summary.
    pub(super) keys: u64,
    /// The time that the clock of record ages had reached, in milliseconds since 1970.
    pub(super) clock: u64,
}

impl Base {
    /// The cursor of a record of this log.
    pub(super) fn at(&self, seq: u64, tag: u32) -> Cursor {
        Cursor { epoch: self.epoch, seq, tag }
    }

    /// The cursor right before the first record in the log.
    pub(super) fn cursor(&self) -> Cursor {
        self.at(self.mark.seq, self.mark.tag)
    }

    fn checksum(&self) -> u32 {
        let Self { epoch, mark: Mark { seq, tag, bytes }, floor, lost, keys, clock } = *self;
        let numbers = [epoch.into(), seq, u64::from(tag), bytes, floor, lost, keys, clock];
        checksum(numbers.map(u64::to_le_bytes).as_flattened())
    }

    /// Reads the row.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Self::find(connection)?
            .ok_or_else(|| corrupt("the row of the table \"log\" is damaged: its checksum does not match"))
    }

    fn find(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let mut select = connection.prepare_cached(
            "SELECT epoch, seq, tag, bytes, floor, lost, keys, clock, checksum FROM log WHERE id = 1",
        )?;
        let mut rows = select.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let Ok(numbers) = (0..9).map(|column| row.get(column)).collect::<rusqlite::Result<Vec<i64>>>() else {
            return Ok(None);
        };
        let numbers: Vec<u64> = numbers.into_iter().map(number).collect();
        let [epoch, seq, tag, bytes, floor, lost, keys, clock, expected] = numbers[..] else { return Ok(None) };
        let (Ok(epoch), Ok(tag)) = (u32::try_from(epoch), u32::try_from(tag)) else { return Ok(None) };
        let base = Self { epoch, mark: Mark { seq, tag, bytes }, floor, lost, keys, clock };
        Ok((u64::from(base.checksum()) == expected).then_some(base))
    }

    /// Writes the row.
    pub(super) fn store(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut replace = connection.prepare_cached(
            "INSERT OR REPLACE INTO log (id, epoch, seq, tag, bytes, floor, lost, keys, clock, checksum)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        replace.execute(params![
            self.epoch,
            self.mark.seq.cast_signed(),
            self.mark.tag,
            self.mark.bytes.cast_signed(),
            self.floor.cast_signed(),
            self.lost.cast_signed(),
            self.keys.cast_signed(),
            self.clock.cast_signed(),
            self.checksum()
        ])?;
        Ok(())
    }
}
