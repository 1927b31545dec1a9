//! The bytes of appends that wait for a log which stores them more slowly than they arrive.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::AppendError;
use crate::record::Entry;

/// See [`SqliteBuilder::backlog_bytes`](super::SqliteBuilder::backlog_bytes).
pub(super) const BACKLOG_BYTES: usize = 64 << 20;

/// The appends of one handle that are neither stored nor refused, counted in bytes. An append that finds no room is
/// refused at once: if its caller waited, the entries would take their memory all the same.
#[derive(Debug)]
pub(super) struct Backlog {
    bytes: AtomicUsize,
    limit: usize,
}

/// The room that one append takes, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    backlog: Arc<Backlog>,
    bytes: usize,
}

impl Backlog {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { bytes: AtomicUsize::new(0), limit })
    }

    /// Takes room for these entries. An append of any size is admitted when no other one waits, because it would never
    /// find room otherwise.
    pub(super) fn admit(self: &Arc<Self>, entries: &[Arc<Entry>]) -> Result<Waiting, AppendError> {
        // The weight counts twice: once for the entry itself and once for its stored form.
        let bytes = entries.iter().map(|entry| 2 * entry.weight()).sum();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // From here on, dropping it gives the room back.
        let waiting = Waiting { backlog: self.clone(), bytes };
        if before > 0 && before.saturating_add(bytes) > self.limit {
            return Err(AppendError::Overloaded);
        }
        Ok(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.backlog.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entry;

    fn of_kib(kib: usize) -> Vec<Arc<Entry>> {
        vec![Arc::new(entry("a", "t", &format!("\"{}\"", "x".repeat(kib << 10))))]
    }

    #[test]
    fn a_backlog_is_bounded_in_bytes_and_finished_appends_free_their_room() {
        let backlog = Backlog::new(10 << 10);
        let first = backlog.admit(&of_kib(2)).unwrap();
        let second = backlog.admit(&of_kib(2)).unwrap();
        assert!(matches!(backlog.admit(&of_kib(2)), Err(AppendError::Overloaded)));
        drop(first);
        let third = backlog.admit(&of_kib(2)).unwrap();
        drop((second, third));
        assert_eq!(backlog.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn an_append_larger_than_the_bound_is_let_in_alone() {
        let backlog = Backlog::new(1 << 10);
        let large = backlog.admit(&of_kib(8)).unwrap();
        assert!(matches!(backlog.admit(&of_kib(1)), Err(AppendError::Overloaded)));
        drop(large);
        backlog.admit(&of_kib(8)).unwrap();
    }
}
