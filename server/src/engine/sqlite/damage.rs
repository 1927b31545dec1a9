//! What is looked at row by row where reading stopped: how far the damage goes, whom it may concern, and where the log goes on.

use std::collections::BTreeSet;

use tidings_protocol::Cursor;

use super::{error::is_corrupt, place::Place, row::Doubtful, snapshot::Snapshot};
use crate::record::Record;

/// So many numbers are tried one after the other where SQLite cannot read; then in steps that double, which may pass over sound
/// records between damaged ones. They are told as damaged too.
const ONE_BY_ONE: u64 = 8_192;
/// Of damage that concerns more keys than these nobody is spared.
const KEYS: usize = 10_000;

/// What is at the place where reading stopped.
pub(super) enum Examined {
    /// The record is what was written after all: only columns that reading does not need are damaged.
    Sound(Record),
    /// It is not.
    Damaged(Place),
}

/// The first row from `seq` on that can be read, as far as `end`.
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

/// Examines what stands after `after`, which the log holds.
pub(super) fn examine(log: &Snapshot<'_>, after: Cursor) -> rusqlite::Result<Examined> {
    let epoch = log.base.epoch;
    let row = |seq| Doubtful::at(log.connection, epoch, seq);
    let first = row(after.seq + 1).map(|row| row.with_entry(log.connection));
    // Where the damage is in the record's own tag, its successor has it too.
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
    // The tag of the record before `seq`, where its header says it.
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
        // A header that does not follow what is known to be before it is of a record that does not belong here.
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
