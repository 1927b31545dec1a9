//! Helpers that all of these tests use on a log.

use std::{path::Path, sync::Arc, time::Duration};

use tidings::{
    engine::{Engine, Limit, ReadError, Receipt, RoutingKey, Sqlite, conformance::entry_with_key},
    record::{Entry, Record},
};
use tidings_protocol::{Cursor, event::Timestamp};

/// The limit of a read that should return everything.
pub(crate) const ALL: Limit = Limit { records: 1_000_000, bytes: usize::MAX };

/// An entry that is identified by its number, with a size that does not divide a page, on one of five channels.
pub(crate) fn numbered(number: usize) -> Arc<Entry> {
    let entry = entry_with_key(&format!("key-{number}"), &format!("\"{}\"", "x".repeat(number * 37 % 700)));
    Arc::new(Entry {
        timestamp: Timestamp(1_700_000_000_000),
        channel: format!("room:{}", number % 5).parse().unwrap(),
        ..Entry::clone(&entry)
    })
}

pub(crate) async fn append(engine: &Sqlite, entries: Vec<Arc<Entry>>) -> Vec<Receipt> {
    engine.append(entries, Duration::from_secs(30)).await.unwrap()
}

/// Opens the log and reads all of it, which verifies every number and checksum.
pub(crate) async fn reopen(path: &Path) -> (Sqlite, Vec<Record>) {
    let engine = Sqlite::open(path).unwrap();
    let bounds = engine.bounds().await.unwrap();
    let records = engine.read(bounds.base(), ALL).await.unwrap();
    assert!(records.iter().zip(1..).all(|(record, seq)| record.seq == seq), "numbers without holes");
    assert_eq!(bounds.last, records.len() as u64);
    (engine, records)
}

/// What a hub would read of a log, from a cursor to its end.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) records: Vec<Record>,
    /// The damaged parts: from, through, and the keys that they may concern.
    pub(crate) damaged: Vec<(u64, u64, Option<Vec<RoutingKey>>)>,
    /// The error after which nothing more could be read.
    pub(crate) unavailable: Option<ReadError>,
    pub(crate) end: Option<Cursor>,
}

/// Reads from a cursor to the end, in pages, continuing after damaged parts.
pub(crate) async fn follow(engine: &Sqlite, mut after: Cursor, end: Cursor) -> Followed {
    let mut followed = Followed::default();
    while after.seq < end.seq {
        match engine.read(after, Limit { records: 50, bytes: usize::MAX }).await {
            Ok(page) => {
                for record in page {
                    assert_eq!(record.seq, after.seq + 1, "no hole goes untold");
                    after = Cursor { seq: record.seq, tag: record.tag, ..after };
                    followed.records.push(record);
                }
            }
            Err(ReadError::Damaged { through, keys }) => {
                assert!(through.seq > after.seq, "{through} after {after}");
                followed.damaged.push((after.seq + 1, through.seq, keys));
                after = through;
            }
            Err(error) => {
                followed.unavailable = Some(error);
                break;
            }
        }
    }
    followed.end = Some(after);
    followed
}
