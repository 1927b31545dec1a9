//! Removing records from the front, inside a transaction of the caller. Their keys are added to the summary.

use std::collections::{BTreeMap, VecDeque};

use rusqlite::Connection;

use super::{
    base::Mark, damage, error::is_corrupt, log::Position, row::Doubtful, snapshot::Snapshot, summary, tags::Tags,
};
use crate::{
    clock::millis,
    engine::{Retention, RoutingKey, Trim},
    record::Entry,
};

/// The bounds of the log, and of what is kept of trimmed records.
#[derive(Debug, Clone)]
pub(super) struct Keeps {
    pub(super) retention: Retention,
    /// The most routing keys in the summary.
    pub(super) keys: u64,
    /// The most tags.
    pub(super) tags: u64,
}

/// A step ends when it has this many keys to add, so that records addressed to very many users do not make it long.
const KEYS: usize = 5_000;
/// How many rows are read at a time.
const READ_AHEAD: u32 = 200;

/// The result of a step.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) position: Position,
    pub(super) trim: Trim,
    /// The last record that was trimmed while its keys were unknown.
    pub(super) lost: Option<u64>,
    /// Why rows could not be deleted. They stay in the table, before the log's beginning, and are not read any more.
    pub(super) left_behind: Option<rusqlite::Error>,
}

/// Removes up to `most` records that are beyond the bounds at `now_ms`; `None` where there are none. Without a summary,
/// all keys count as moved.
pub(super) fn step(
    connection: &Connection,
    position: &Position,
    keeps: &Keeps,
    now_ms: u64,
    most: u64,
    has_summary: bool,
) -> rusqlite::Result<Option<Step>> {
    let oldest = now_ms.saturating_sub(millis(keeps.retention.age));
    let mut front = Front { connection, position, keeps, oldest, rows: VecDeque::new() };
    let mut tags = Tags::default();
    let mut keys = BTreeMap::new();
    let mut lost = None;
    let mut mark = position.base.mark;
    let mut more = false;
    while let Some(next) = front.next(mark)? {
        if mark.seq - position.base.mark.seq >= most || keys.len() >= KEYS {
            more = true;
            break;
        }
        match next.keys {
            Some(known) => keys.extend(known.into_iter().map(|key| (key, next.mark.seq))),
            None => lost = Some(next.mark.seq),
        }
        mark = next.mark;
        tags.push(connection, mark.seq, mark.tag)?;
    }
    let removed = mark.seq - position.base.mark.seq;
    if removed == 0 {
        return Ok(None);
    }
    let mut base = position.base;
    base.mark = mark;
    base.clock = now_ms;
    if has_summary {
        summary::fold(connection, &mut base, &keys, keeps.keys)?;
    } else {
        lost = Some(mark.seq);
    }
    base.lost = base.lost.max(lost.unwrap_or_default());
    tags.finish(connection, mark.seq, keeps.tags)?;
    let mut delete = connection.prepare_cached("DELETE FROM records WHERE seq > ?1 AND seq <= ?2")?;
    let deleted = delete.execute([position.base.mark.seq.cast_signed(), mark.seq.cast_signed()]);
    let left_behind = match deleted {
        Ok(_) => None,
        Err(error) if is_corrupt(&error) => Some(error),
        Err(error) => return Err(error),
    };
    base.store(connection)?;
    let position = Position { base, last: position.last };
    Ok(Some(Step { position, trim: Trim { removed, more }, lost, left_behind }))
}

/// The next record to remove.
struct Next {
    mark: Mark,
    /// The record's keys, where they are known.
    keys: Option<Vec<RoutingKey>>,
}

/// Iterates over the records to remove.
struct Front<'a> {
    connection: &'a Connection,
    position: &'a Position,
    keeps: &'a Keeps,
    /// Records with an earlier timestamp must be removed.
    oldest: u64,
    /// Rows that were read ahead.
    rows: VecDeque<Doubtful>,
}

impl Front<'_> {
    /// The next record to remove after `before`, if there is one.
    fn next(&mut self, before: Mark) -> rusqlite::Result<Option<Next>> {
        let Position { base, last } = self.position;
        if before.seq >= last.seq {
            return Ok(None);
        }
        let full = last.seq - before.seq > self.keeps.retention.records
            || last.bytes.saturating_sub(before.bytes) > self.keeps.retention.bytes;
        if self.rows.is_empty() {
            self.rows = Doubtful::several(self.connection, base.epoch, before.seq + 1, READ_AHEAD)?;
        }
        let row = match self.rows.pop_front() {
            Some(row) => Some(row).filter(|row| row.seq <= last.seq),
            None => {
                let log = Snapshot { connection: self.connection, base: *base, end: self.position.end() };
                damage::next_readable(&log, before.seq + 1)?
            }
        };
        // No row up to the end can be read.
        let Some(row) = row else {
            return Ok(full.then_some(Next { mark: *last, keys: None }));
        };
        let age = row.timestamp.filter(|_| row.header.is_some());
        if !full && age.is_some_and(|timestamp| timestamp >= self.oldest) {
            return Ok(None);
        }
        if row.seq > before.seq + 1 {
            // The records before it are missing.
            let mark = Mark { seq: row.seq - 1, tag: row.header.as_ref().map_or(0, |header| header.before), ..before };
            self.rows.push_front(row);
            return Ok(Some(Next { mark, keys: None }));
        }
        let (seq, tag) = (row.seq, row.tag.unwrap_or_default());
        if let (Some(header), Some(bytes)) = (row.header.as_ref(), row.bytes) {
            return Ok(Some(Next { mark: Mark { seq, tag, bytes }, keys: Some(header.keys.clone()) }));
        }
        // The entry itself may name its receivers and its length.
        let row = row.with_entry(self.connection);
        let length = row.entry.as_ref().map_or(0, |entry| entry.len() as u64);
        let mark = |tag| Mark { seq, tag, bytes: before.bytes + length };
        Ok(Some(match row.record(before.tag, None) {
            Some(record) => Next { mark: mark(record.tag), keys: Some(Entry::routing_keys(&record.entry)) },
            None => Next { mark: mark(tag), keys: None },
        }))
    }
}
