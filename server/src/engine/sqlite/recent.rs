//! The last committed records, so that a tail that keeps up need not read them from the file.

use std::collections::VecDeque;

use crate::record::Record;

/// The most records that are kept. Most are shared with the hub's window and take no memory here.
const RECORDS: usize = 10_000;
/// The most bytes that are kept.
const BYTES: usize = 16 << 20;

/// Consecutive records that end with the last committed one.
#[derive(Debug, Default)]
pub(super) struct Recent {
    records: VecDeque<Record>,
    bytes: usize,
}

fn size(record: &Record) -> usize {
    record.entry.weight()
}

impl Recent {
    /// Adds committed records.
    pub(super) fn extend(&mut self, committed: Vec<Record>) {
        let last = self.records.back().map(|last| last.seq);
        if last.is_some_and(|last| committed.first().is_some_and(|first| first.seq != last + 1)) {
            self.clear();
        }
        for record in committed {
            self.bytes += size(&record);
            self.records.push_back(record);
        }
        while self.records.len() > RECORDS || self.bytes > BYTES {
            let Some(front) = self.records.pop_front() else { break };
            self.bytes -= size(&front);
        }
    }

    /// Drops everything, because records were committed that were not handed over.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// At most `limit` records after this one, if this one is here.
    pub(super) fn after(&self, seq: u64, tag: u32, limit: usize) -> Option<Vec<Record>> {
        let at = usize::try_from(seq.checked_sub(self.records.front()?.seq)?).ok()?;
        (self.records.get(at)?.tag == tag).then(|| self.records.range(at + 1..).take(limit).cloned().collect())
    }
}
