//! Reads of the engine's log for streams whose position lies before the window: one read serves all streams at the same
//! part of the log.
//!
//! When many clients come back from far behind, the log is read once and not once per client. A stream that needs a
//! page which is being read waits for that read. Pages are kept for a while, indexed by routing keys, so that a stream
//! skips a page that holds nothing for it without looking at the records.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tidings_protocol::Cursor;

use crate::{
    engine::{Engine, Limit, ReadError},
    segment::Segment,
    window::Lineage,
};

/// How much of the engine's log one read takes.
const PAGE: Limit = Limit { records: 1_000, bytes: 1 << 20 };
/// About how many bytes of pages are kept.
const KEPT_BYTES: usize = 16 << 20;
/// About how many bytes a record takes beside its payload, for its texts and its place in the index.
const BYTES_OF_A_RECORD: usize = 512;

/// The outcome of a read, shared by all streams that wait for it.
type Outcome = Result<Arc<Segment>, Arc<ReadError>>;

/// A read in progress.
#[derive(Clone)]
struct Reading {
    number: u64,
    after: Cursor,
    outcome: Shared<BoxFuture<'static, Outcome>>,
}

#[derive(Default)]
struct State {
    lineage: Lineage,
    /// The pages that are kept, least recently used first.
    kept: VecDeque<(usize, Arc<Segment>)>,
    bytes: usize,
    readings: Vec<Reading>,
}

#[derive(Default)]
pub(super) struct History {
    state: Mutex<State>,
    numbers: AtomicU64,
}

impl State {
    /// Drops all pages when the log was replaced by another one; and when the window has skipped a part, because the
    /// log may have lost records that this node had applied before the part was trimmed.
    fn follow(&mut self, lineage: Lineage) {
        if self.lineage != lineage {
            *self = Self { lineage, ..Self::default() };
        }
    }

    /// A kept page that continues after this cursor, where the page holds that very record (the tags match).
    fn find(&mut self, after: Cursor) -> Option<Arc<Segment>> {
        let follows = |segment: &Segment| {
            let is_within = segment.base().seq <= after.seq && after.seq < segment.last().seq;
            is_within && segment.cursor(after.seq) == Some(after)
        };
        let index = self.kept.iter().position(|(_, segment)| follows(segment))?;
        let found = self.kept.remove(index)?;
        self.kept.push_back(found.clone());
        Some(found.1)
    }

    fn keep(&mut self, segment: &Arc<Segment>) {
        let weight = segment.weight() + segment.len() * BYTES_OF_A_RECORD;
        self.bytes += weight;
        self.kept.push_back((weight, segment.clone()));
        while self.bytes > KEPT_BYTES {
            let Some((weight, _)) = self.kept.pop_front() else { break };
            self.bytes -= weight;
        }
    }
}

impl History {
    /// The records after a cursor, up to `head`, the last record that the node has applied in this lineage. (The log
    /// may lose records that the node has not applied without the node noticing, so they must not be kept.)
    pub(super) async fn read(
        &self,
        engine: &Arc<dyn Engine>,
        (head, lineage): (Cursor, Lineage),
        after: Cursor,
    ) -> Outcome {
        let mut has_waited = false;
        loop {
            let reading = {
                let mut state = self.state.lock();
                state.follow(lineage);
                if let Some(segment) = state.find(after) {
                    return Ok(segment);
                }
                let covers = |reading: &&Reading| {
                    let from = reading.after.seq;
                    reading.after.epoch == after.epoch
                        && (reading.after == after
                            || !has_waited && from <= after.seq && after.seq < from + PAGE.records as u64)
                };
                match state.readings.iter().find(covers) {
                    Some(reading) => reading.clone(),
                    None => {
                        let reading = self.begin(engine.clone(), after, head.seq);
                        state.readings.push(reading.clone());
                        reading
                    }
                }
            };
            let outcome = reading.outcome.await;
            let mut state = self.state.lock();
            // The first stream to get here keeps the page; the others find it kept.
            let is_first = state.readings.iter().position(|other| other.number == reading.number);
            if let Some(index) = is_first {
                state.readings.swap_remove(index);
                if let Ok(segment) = &outcome
                    && !segment.is_empty()
                {
                    state.keep(segment);
                }
            }
            if reading.after == after {
                return outcome;
            }
            // The read may have ended early, or failed further along. This stream then reads from its own cursor.
            has_waited = true;
        }
    }

    fn begin(&self, engine: Arc<dyn Engine>, after: Cursor, up_to: u64) -> Reading {
        let read = async move {
            let mut records = engine.read(after, PAGE).await?;
            records.truncate(records.partition_point(|record| record.seq <= up_to));
            Ok(Arc::new(Segment::read(after, &records)))
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        Reading {
            number,
            after,
            outcome: read.map(|read: Result<_, ReadError>| read.map_err(Arc::new)).boxed().shared(),
        }
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("History").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{engine::Memory, testing::entry};

    async fn filled(records: usize) -> (Arc<dyn Engine>, Vec<Cursor>) {
        let engine = Memory::default();
        let origin = engine.bounds().await.unwrap().base();
        let entries = (0..records).map(|_| Arc::new(entry("a", "t", "1"))).collect();
        let receipts = engine.append(entries, std::time::Duration::MAX).await.unwrap();
        let cursors = std::iter::once(origin).chain(receipts.iter().map(|receipt| receipt.cursor)).collect();
        (Arc::new(engine), cursors)
    }

    /// The position of a node that has applied everything.
    fn node(cursors: &[Cursor]) -> (Cursor, Lineage) {
        (*cursors.last().unwrap(), Lineage::default())
    }

    #[tokio::test]
    async fn records_that_the_node_has_not_applied_are_not_kept() {
        let (engine, cursors) = filled(10).await;
        let history = History::default();
        let read = history.read(&engine, (cursors[7], Lineage::default()), cursors[0]).await.unwrap();
        assert_eq!(read.last(), cursors[7]);
    }

    #[tokio::test]
    async fn a_cursor_within_a_kept_page_is_served_from_it() {
        let (engine, cursors) = filled(1_500).await;
        let history = History::default();
        let read = async |at: usize| history.read(&engine, node(&cursors), cursors[at]).await.unwrap();
        let first = read(0).await;
        assert_eq!((first.base(), first.last()), (cursors[0], cursors[1_000]));
        assert!(Arc::ptr_eq(&first, &read(700).await), "one read for both");
        let next = read(1_000).await;
        assert_eq!((next.base(), next.last()), (cursors[1_000], cursors[1_500]));
        assert_eq!(history.numbers.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_reader_of_a_page_in_progress_waits_for_it() {
        let (engine, cursors) = filled(1_500).await;
        let history = History::default();
        let read = |at: usize| history.read(&engine, node(&cursors), cursors[at]);
        let (one, same, within) = tokio::join!(read(0), read(0), read(10));
        assert!(Arc::ptr_eq(&one.unwrap(), &same.unwrap()));
        assert_eq!(within.unwrap().base(), cursors[0]);
        assert_eq!(history.numbers.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_dropped_reader_delays_no_other() {
        let (engine, cursors) = filled(10).await;
        let history = History::default();
        let read = || history.read(&engine, node(&cursors), cursors[0]);
        let mut dropped = Box::pin(read());
        assert!(dropped.as_mut().now_or_never().is_some() || read().await.is_ok());
        assert_eq!(read().await.unwrap().last(), cursors[10]);
    }

    #[tokio::test]
    async fn a_record_of_another_history_is_not_served_from_what_was_kept() {
        let (engine, cursors) = filled(10).await;
        let history = History::default();
        history.read(&engine, node(&cursors), cursors[0]).await.unwrap();
        let other = Cursor { tag: cursors[5].tag ^ 1, ..cursors[5] };
        let error = history.read(&engine, node(&cursors), other).await.unwrap_err();
        assert!(matches!(*error, ReadError::Diverged));
    }

    #[tokio::test]
    async fn kept_pages_are_bounded_and_forgotten_with_the_log() {
        let (engine, cursors) = filled(60_000).await;
        let history = History::default();
        for page in 0..60 {
            history.read(&engine, node(&cursors), cursors[page * 1_000]).await.unwrap();
        }
        let kept = |history: &History| {
            let state = history.state.lock();
            (state.bytes, state.kept.len())
        };
        assert!(kept(&history).0 <= KEPT_BYTES && kept(&history).1 > 10, "{:?}", kept(&history));
        history.read(&engine, (cursors[60_000], Lineage { resets: 1, skips: 0 }), cursors[0]).await.unwrap();
        assert_eq!(kept(&history).1, 1);
    }
}
