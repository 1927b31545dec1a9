//! What all of these tests do with a log.

use std::{path::Path, sync::Arc};

use tidings::{
    engine::{Engine, Limit, Sqlite, conformance::entry_with_key},
    record::{Entry, Record},
};

/// An entry that is known by its number, of a size that is no divisor of a page.
pub(crate) fn numbered(number: usize) -> Arc<Entry> {
    entry_with_key(&format!("key-{number}"), &format!("\"{}\"", "x".repeat(number * 37 % 700)))
}

/// Opens the log and reads all of it, which verifies every number and checksum.
pub(crate) async fn reopen(path: &Path) -> (Sqlite, Vec<Record>) {
    let engine = Sqlite::open(path).unwrap();
    let records = engine.read(0, Limit { records: 1_000_000, bytes: usize::MAX }).await.unwrap();
    assert!(records.iter().zip(1..).all(|(record, seq)| record.seq == seq), "numbers without holes");
    assert_eq!(engine.bounds().await.unwrap().last, records.len() as u64);
    (engine, records)
}
