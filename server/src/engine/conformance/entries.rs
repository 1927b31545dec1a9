//! Entries to append, and short words for what all promises do with a log.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::BoxStream};
use serde_json::value::RawValue;
use tidings_protocol::{Key, event::Timestamp};

use crate::{
    engine::{Engine, EngineError, Limit, Receipt},
    publish::new_key,
    record::{Audience, Entry, Record},
};

/// How long anything may take that has to happen. No promise is about time: this only turns silence into a failure.
const PATIENCE: Duration = Duration::from_secs(30);
/// As far as a read goes.
pub(super) const ALL: Limit = Limit { records: 1_000_000, bytes: usize::MAX };

/// An entry with a new key whose payload is this JSON.
#[must_use]
pub fn entry(payload: &str) -> Arc<Entry> {
    make(new_key(), payload)
}

/// An entry with this key.
///
/// # Panics
///
/// When it is no key.
#[must_use]
pub fn entry_with_key(key: &str, payload: &str) -> Arc<Entry> {
    make(Key::new(key).expect("a key"), payload)
}

fn make(key: Key, payload: &str) -> Arc<Entry> {
    Arc::new(Entry {
        key,
        timestamp: Timestamp(1_700_000_000_000),
        audience: Audience::Channel,
        channel: "conformance:log".parse().expect("a channel"),
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

pub(super) async fn append(engine: &impl Engine, entries: &[Arc<Entry>]) -> Vec<Receipt> {
    let receipts = soon("an append", engine.append(entries.to_vec())).await.expect("an append of a sound engine");
    assert_eq!(receipts.len(), entries.len(), "one receipt per entry");
    receipts
}

/// Everything in the log, page by page.
pub(super) async fn everything(engine: &impl Engine) -> Vec<Record> {
    let mut records: Vec<Record> = engine.read(0, ALL).await.expect("a read");
    while let Some(last) = records.last() {
        let more = engine.read(last.seq, ALL).await.expect("a read");
        if more.is_empty() {
            break;
        }
        records.extend(more);
    }
    records
}

pub(super) fn key(record: &Record) -> &str {
    record.entry.key.as_str()
}

pub(super) fn seqs(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.seq).collect()
}

/// The next `count` records of a tail, at least.
pub(super) async fn take(tail: &mut BoxStream<'static, Result<Vec<Record>, EngineError>>, count: usize) -> Vec<Record> {
    let mut records = Vec::new();
    while records.len() < count {
        let batch = soon("a record in the tail", tail.next()).await.expect("a tail without end").expect("a sound tail");
        assert!(!batch.is_empty(), "a tail yields no empty batches");
        records.extend(batch);
    }
    records
}

/// Appends until the log has trimmed its front, at most ten times what it keeps; the receipts.
pub(super) async fn outgrow(engine: &impl Engine, keeps: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    while receipts.len() < 10 * keeps {
        receipts.extend(append(engine, &entries(keeps.div_ceil(4))).await);
    }
    // An engine may trim behind the callers' backs, but not never.
    let trimmed = async {
        while engine.bounds().await.expect("bounds").first == 1 {
            receipts.extend(append(engine, &entries(1)).await);
            tokio::task::yield_now().await;
        }
    };
    soon("trimming", trimmed).await;
    receipts
}
