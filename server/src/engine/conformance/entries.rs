//! Entries to append, and helpers that all promises use on a log.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use serde_json::value::RawValue;
use tidings_protocol::{Cursor, Key, event::Timestamp};

use crate::{
    clock::wall_clock_ms,
    engine::{Batch, Engine, Limit, ReadError, Receipt, Tail, Trim},
    publish::new_key,
    record::{Audience, Entry, Record},
};

/// How long anything that has to happen may take. No promise is about time; this only turns silence into a failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// The deadline of an append that has to succeed.
pub(super) const DEADLINE: Duration = Duration::from_secs(20);
/// The limit of a read that should return everything.
pub(super) const ALL: Limit = Limit { records: 1_000_000, bytes: usize::MAX };

/// An entry with a new key whose payload is this JSON.
#[must_use]
pub fn entry(payload: &str) -> Arc<Entry> {
    make(new_key(), CHANNEL, payload)
}

/// An entry with a new key on this channel.
///
/// # Panics
///
/// If the text is not a channel.
#[must_use]
pub fn entry_on(channel: &str, payload: &str) -> Arc<Entry> {
    make(new_key(), channel, payload)
}

/// An entry with this key.
///
/// # Panics
///
/// If the text is not a key.
#[must_use]
pub fn entry_with_key(key: &str, payload: &str) -> Arc<Entry> {
    make(Key::new(key).expect("a key"), CHANNEL, payload)
}

/// The channel of entries unless another is named.
const CHANNEL: &str = "conformance:log";

fn make(key: Key, channel: &str, payload: &str) -> Arc<Entry> {
    Arc::new(Entry {
        key,
        // The timestamp is the present, because an engine may keep nothing that is old.
        timestamp: Timestamp(wall_clock_ms()),
        audience: Audience::Channel,
        channel: channel.parse().expect("a channel"),
        event_type: "tested".parse().expect("a type"),
        source: None,
        except: None,
        payload: RawValue::from_string(payload.to_owned()).expect("JSON"),
    })
}

/// This many entries, numbered in their payloads.
pub(super) fn entries(count: usize) -> Vec<Arc<Entry>> {
    (0..count).map(|number| entry(&number.to_string())).collect()
}

pub(super) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen within {PATIENCE:?}"),
    }
}

/// Appends in one call, or in several where the engine's limits ask for it. Returns the receipts.
pub(super) async fn append(engine: &impl Engine, entries: &[Arc<Entry>]) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    // No entries are appended, too.
    for batch in entries.chunks(engine.limits().batch).chain(entries.is_empty().then_some(entries)) {
        let appended = soon("an append", engine.append(batch.to_vec(), DEADLINE)).await;
        receipts.extend(appended.expect("a working engine acknowledges the append"));
    }
    assert_eq!(receipts.len(), entries.len(), "one receipt per entry");
    receipts
}

/// The cursors right before the first record and at the end of the log.
pub(super) async fn ends(engine: &impl Engine) -> (Cursor, Cursor) {
    let bounds = engine.bounds().await.expect("bounds");
    (bounds.base(), bounds.end())
}

/// The cursor right before the first record.
pub(super) async fn base(engine: &impl Engine) -> Cursor {
    ends(engine).await.0
}

/// The cursor of a record of this log.
pub(super) fn cursor(record: &Record, of: Cursor) -> Cursor {
    Cursor { seq: record.seq, tag: record.tag, ..of }
}

/// All records of the log, read page by page.
pub(super) async fn everything(engine: &impl Engine) -> Vec<Record> {
    let mut after = base(engine).await;
    let mut records = Vec::new();
    loop {
        let page = engine.read(after, ALL).await.expect("a read");
        let Some(last) = page.last() else { return records };
        after = cursor(last, after);
        records.extend(page);
    }
}

pub(super) fn key(record: &Record) -> &str {
    record.entry.key.as_str()
}

pub(super) fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// The next item of a tail.
pub(super) async fn next(tail: &mut Tail) -> Option<Result<Batch, ReadError>> {
    soon("an item of the tail", tail.next()).await
}

/// At least the next `count` records of a tail. Checks that each batch names the cursor that it follows.
pub(super) async fn take(tail: &mut Tail, count: usize) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut at = None;
    while records.len() < count {
        let Batch { after, records: batch } = next(tail).await.expect("a tail without end").expect("a sound tail");
        assert!(at.is_none_or(|at| at == after), "the batch follows {after}, not {at:?}");
        let first = after.seq + 1;
        assert!(batch.iter().zip(first..).all(|(record, seq)| record.seq == seq), "the batch follows {after}");
        at = Some(batch.last().map_or(after, |last| cursor(last, after)));
        records.extend(batch);
    }
    records
}

/// Trims as long as there is more to remove. Returns the number of removed records.
pub(super) async fn trim(engine: &impl Engine) -> u64 {
    let mut all = 0;
    loop {
        let Trim { removed, more } = soon("a step of trimming", engine.trim()).await.expect("a step of trimming");
        all += removed;
        if !more {
            return all;
        }
    }
}

/// Appends ten times the number of records that the log keeps, and trims. Returns the receipts.
pub(super) async fn outgrow(engine: &impl Engine, keeps: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    while receipts.len() < 10 * keeps {
        receipts.extend(append(engine, &entries(keeps.div_ceil(4))).await);
    }
    trim(engine).await;
    assert!(engine.bounds().await.expect("bounds").first > 1, "the log trims");
    receipts
}
