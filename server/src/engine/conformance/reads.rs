//! Pages and bounds.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidings_protocol::{DeviceId, Except, SessionId, Source, UserId, event::Timestamp};

use super::{
    Subject,
    entries::{ALL, append, entries, entry, everything, seqs},
};
use crate::{
    engine::{Bounds, Engine, Limit},
    record::{Audience, Entry},
};

/// An empty log: `first` 1, `last` 0, no tag before it, and nothing to read.
pub async fn an_empty_log_starts_at_one(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let bounds = engine.bounds().await.unwrap();
    assert_eq!(bounds, Bounds { epoch: bounds.epoch, first: 1, last: 0, base_tag: 0 });
    assert!(engine.read(0, ALL).await.unwrap().is_empty());
}

/// Logs made apart are told apart.
pub async fn two_logs_have_two_epochs(subject: &impl Subject) {
    let (one, other) = (subject.fresh().await, subject.fresh().await);
    assert_ne!(one.bounds().await.unwrap().epoch, other.bounds().await.unwrap().epoch);
}

/// Every field, and the payload byte for byte.
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

/// `after` is exclusive; beyond the end there is nothing.
pub async fn a_read_starts_after_its_number(subject: &impl Subject) {
    let engine = subject.fresh().await;
    append(&engine, &entries(10)).await;
    for after in 0..=10 {
        let records = engine.read(after, ALL).await.unwrap();
        assert_eq!(seqs(&records), (after + 1..=10).collect::<Vec<_>>());
    }
    for beyond in [11, 1 << 40, u64::MAX] {
        assert!(engine.read(beyond, ALL).await.unwrap().is_empty());
    }
}

/// At most as many records as asked for, and none after the bytes are reached; but one, however large.
pub async fn a_read_stops_at_its_limits(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let large: Vec<_> = (0..10).map(|_| entry(&format!("\"{}\"", "x".repeat(98)))).collect();
    append(&engine, &large).await;
    let read = async |after, records, bytes| seqs(&engine.read(after, Limit { records, bytes }).await.unwrap());
    assert_eq!(read(0, 3, usize::MAX).await, [1, 2, 3]);
    assert_eq!(read(8, 3, usize::MAX).await, [9, 10]);
    assert_eq!(read(2, 100, 100).await, [3]);
    assert_eq!(read(2, 100, 101).await, [3, 4]);
    assert_eq!(read(2, 100, 1).await, [3]);
    assert!(read(2, 0, 1).await.is_empty());
}
