//! Pages, bounds, and the location of cursors.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidings_protocol::{Cursor, DeviceId, Except, SessionId, Source, UserId, event::Timestamp};

use super::{
    Subject,
    entries::{ALL, append, base, cursor, ends, entries, entry, everything, seqs},
};
use crate::{
    engine::{Bounds, Engine, Limit, Location, ReadError},
    record::{Audience, Entry},
};

/// An empty log: `first` 1, `last` 0, the tag 0 before it, and nothing to read.
pub async fn an_empty_log_starts_at_one(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let bounds = engine.bounds().await.unwrap();
    let expected = Bounds { epoch: bounds.epoch, first: 1, last: 0, base_tag: Some(0), last_tag: Some(0) };
    assert_eq!(bounds, expected);
    assert_eq!(bounds.base(), bounds.end());
    assert!(engine.read(bounds.base(), ALL).await.unwrap().is_empty());
}

/// Two logs that were made separately have different epochs.
pub async fn two_logs_have_two_epochs(subject: &impl Subject) {
    let (one, other) = (subject.fresh().await, subject.fresh().await);
    assert_ne!(one.bounds().await.unwrap().epoch, other.bounds().await.unwrap().epoch);
}

/// Every field comes back, and the payload byte for byte.
pub async fn entries_come_back_as_they_were(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let (user, device) = (UserId::new("zoë \u{1f50c}").unwrap(), DeviceId::new("laptop").unwrap());
    let session = SessionId::new("tab-1").unwrap();
    let rich = Entry {
        timestamp: Timestamp(1_700_000_000_123),
        channel: "project:7:*".parse().unwrap(),
        event_type: "re named \u{e9}".parse().unwrap(),
        source: Some(Source { user_id: Some(user.clone()), device_id: Some(device.clone()), session_id: None }),
        except: Some(Except { user_id: user.clone(), session_id: Some(session), device_id: None }),
        payload: RawValue::from_string("{ \"text\": \"\\u0000 \u{2028} '%_\", \"n\": 1.0e5 }".to_owned()).unwrap(),
        ..Entry::clone(&entry("0"))
    };
    let audiences = [
        Audience::Channel,
        Audience::Users(vec![user.clone(), UserId::new("b").unwrap()]),
        Audience::Device(user, device),
    ];
    let appended: Vec<_> = audiences
        .into_iter()
        .map(|audience| Arc::new(Entry { key: entry("0").key.clone(), audience, ..rich.clone() }))
        .chain([entry("null"), entry(&format!("\"{}\"", "x".repeat(200_000)))])
        .collect();
    append(&engine, &appended).await;
    let records = everything(&engine).await;
    assert_eq!(records.len(), appended.len());
    for (record, entry) in records.iter().zip(&appended) {
        assert_eq!(record.entry.to_bytes(), entry.to_bytes());
    }
}

/// The cursor is exclusive; at the end of the log there is nothing to read.
pub async fn a_read_starts_after_its_cursor(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let receipts = append(&engine, &entries(10)).await;
    let mut after = base(&engine).await;
    for receipt in receipts {
        let records = engine.read(after, ALL).await.unwrap();
        assert_eq!(seqs(&records), (after.seq + 1..=10).collect::<Vec<_>>());
        after = receipt.cursor;
    }
    assert!(engine.read(after, ALL).await.unwrap().is_empty());
}

/// A read returns at most the requested number of records and none after the byte limit is reached, but always at least
/// one.
pub async fn a_read_stops_at_its_limits(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let large: Vec<_> = (0..10).map(|_| entry(&format!("\"{}\"", "x".repeat(98)))).collect();
    append(&engine, &large).await;
    let read = async |after, records, bytes| {
        let after = engine.at(after).await.unwrap().unwrap();
        seqs(&engine.read(after, Limit { records, bytes }).await.unwrap())
    };
    assert_eq!(read(0, 3, usize::MAX).await, [1, 2, 3]);
    assert_eq!(read(8, 3, usize::MAX).await, [9, 10]);
    assert_eq!(read(2, 100, 100).await, [3]);
    assert_eq!(read(2, 100, 101).await, [3, 4]);
    assert_eq!(read(2, 100, 1).await, [3]);
    assert!(read(2, 0, 1).await.is_empty());
}

/// Cursors, and the expected location of each.
async fn cursors(engine: &impl Engine) -> Vec<(Cursor, Location)> {
    let (base, end) = ends(engine).await;
    let other_tag = |cursor: Cursor| Cursor { tag: cursor.tag ^ 1, ..cursor };
    vec![
        (base, Location::Held),
        (end, Location::Held),
        (other_tag(base), Location::Diverged),
        (other_tag(end), Location::Diverged),
        (Cursor { seq: end.seq + 1, ..end }, Location::Diverged),
        (Cursor { seq: 1 << 40, ..end }, Location::Diverged),
        (Cursor { seq: u64::MAX, ..end }, Location::Diverged),
        (Cursor { epoch: end.epoch ^ 1, ..end }, Location::Epoch),
        (Cursor { epoch: end.epoch ^ 1, ..base }, Location::Epoch),
    ]
}

/// `locate` answers for every cursor in one call, however many there are, and in an empty log too.
pub async fn every_cursor_is_located(subject: &impl Subject) {
    let engine = subject.fresh().await;
    for _ in 0..2 {
        let (asked, expected): (Vec<_>, Vec<_>) = cursors(&engine).await.into_iter().unzip();
        assert_eq!(engine.locate(&asked).await.unwrap(), expected, "{asked:?}");
        let receipts = append(&engine, &entries(70)).await;
        let asked: Vec<_> = receipts.iter().map(|receipt| receipt.cursor).collect();
        assert!(engine.locate(&asked).await.unwrap().iter().all(|location| *location == Location::Held));
    }
    assert!(engine.locate(&[]).await.unwrap().is_empty());
}

/// A read after a cursor that the log does not hold reports why, and reads nothing.
pub async fn a_read_checks_its_cursor(subject: &impl Subject) {
    let engine = subject.fresh().await;
    append(&engine, &entries(10)).await;
    for (after, location) in cursors(&engine).await {
        let told = match engine.read(after, ALL).await {
            Ok(_) => Location::Held,
            Err(ReadError::Diverged) => Location::Diverged,
            Err(ReadError::Epoch) => Location::Epoch,
            Err(other) => panic!("{after}: {other}"),
        };
        assert_eq!(told, location, "{after}");
    }
}

/// The cursor at a number is the record's; beyond the end there is none.
pub async fn a_number_has_its_cursor(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let origin = base(&engine).await;
    assert_eq!(engine.at(0).await.unwrap(), Some(origin));
    for receipt in append(&engine, &entries(10)).await {
        assert_eq!(engine.at(receipt.cursor.seq).await.unwrap(), Some(receipt.cursor));
    }
    for beyond in [11, 1 << 40, u64::MAX] {
        assert_eq!(engine.at(beyond).await.unwrap(), None, "{beyond}");
    }
}

/// Every call sees the records that this handle has acknowledged.
pub async fn a_handle_reads_its_own_writes(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let mut after = base(&engine).await;
    for _ in 0..200 {
        let end = append(&engine, &entries(1)).await[0].cursor;
        assert_eq!(engine.bounds().await.unwrap().end(), end);
        assert_eq!(engine.at(end.seq).await.unwrap(), Some(end));
        assert_eq!(engine.locate(&[end]).await.unwrap(), [Location::Held]);
        let records = engine.read(after, ALL).await.unwrap();
        assert_eq!(records.iter().map(|record| cursor(record, end)).collect::<Vec<_>>(), [end]);
        after = end;
    }
}
