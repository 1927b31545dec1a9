//! Row-by-row examination of the place where reading stopped: the extent of the damage, the receivers it may concern,
//! and where the log continues.

use std::collections::BTreeSet;

use tidings_protocol::Cursor;

use super::{error::is_corrupt, place::Place, row::Doubtful, snapshot::Snapshot};
use crate::record::Record;

/// How many numbers are tried one by one where SQLite cannot read. After that the steps double, which may skip sound
/// records between damaged ones; they count as damaged too.
const ONE_BY_ONE: u64 = 8_192;
/// Damage that concerns more keys than this counts as concerning all streams.
const KEYS: usize = 10_000;

/// The finding at the place where reading stopped.
pub(super) enum Examined {
    /// The record is intact: only columns that reading does not need are damaged.
    Sound(Record),
    /// Records are damaged.
    Damaged(Place),
}

/// The first readable row from `seq` up to `end`.
pub(super) fn next_readable(log: &Snapshot<'_>, mut seq: u64) -> rusqlite::Result<Option<Doubtful>> {
    let (mut tried, mut step) = (0_u64, 1);
    while seq <= log.end.seq {
        match Doubtful::from(log.connection, log.base.epoch, seq) {
            Ok(row) => return Ok(row.filter(|row| row.seq <= log.end.seq)),
            Err(error) if is_corrupt(&error) => {}
            Err(error) => return Err(error),
        }
        tried += 1;
        if tried > ONE_BY_ONE {
            step *= 2;
        }
        seq = seq.saturating_add(step);
    }
    Ok(None)
}

/// Examines the place after `after`, which the log holds.
pub(super) fn examine(log: &Snapshot<'_>, after: Cursor) -> rusqlite::Result<Examined> {
    let epoch = log.base.epoch;
    let row = |seq| Doubtful::at(log.connection, epoch, seq);
    let first = row(after.seq + 1).map(|row| row.with_entry(log.connection));
    // If the record's own tag is damaged, its successor repeats it.
    let told = || {
        if after.seq + 1 == log.end.seq {
            Some(log.end.tag)
        } else {
            row(after.seq + 2)?.header.map(|next| next.before)
        }
    };
    if let Some(record) = first.and_then(|first| first.record(after.tag, told())) {
        return Ok(Examined::Sound(record));
    }

    let mut keys = Some(BTreeSet::new());
    let mut seq = after.seq + 1;
    // The tag of the record before `seq`, if its header has it.
    let mut before = Some(after.tag);
    let through = loop {
        let Some(row) = next_readable(log, seq)? else { break log.end };
        if row.seq > seq {
            (keys, before) = (None, None);
            seq = row.seq;
        }
        let row = row.with_entry(log.connection);
        let follows = match (&row.header, before) {
            (Some(header), Some(before)) => (header.before == before).then_some(before),
            (Some(header), None) => Some(header.before),
            (None, before) => before,
        };
        if seq > after.seq + 1
            && let Some(tag) = follows
            && row.record(tag, None).is_some()
        {
            break log.base.at(seq - 1, tag);
        }
        // A header that does not follow the known tag before it belongs to a record of another log.
        match row.header.filter(|_| follows.is_some()) {
            Some(header) => {
                if let Some(known) = &mut keys {
                    known.extend(header.keys);
                    if known.len() > KEYS {
                        keys = None;
                    }
                }
                before = row.tag;
            }
            None => (keys, before) = (None, None),
        }
        if seq >= log.end.seq {
            break log.end;
        }
        seq += 1;
    };
    Ok(Examined::Damaged(Place { through, keys: keys.map(Vec::from_iter) }))
}
