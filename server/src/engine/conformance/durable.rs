//! The persistence of a log that survives its process.

use super::{
    Durable,
    beside::put,
    entries::{append, base, entries, entry_with_key, everything, key, outgrow, seqs, take},
};
use crate::engine::{Engine, Location};

/// Epoch, bounds, records and the next number are the same, across several restarts.
pub async fn the_same_log_opens_again(subject: &impl Durable) {
    let mut engine = subject.fresh().await;
    let mut receipts = Vec::new();
    for _ in 0..3 {
        receipts.extend(append(&engine, &entries(40)).await);
        let before = (engine.bounds().await.unwrap(), everything(&engine).await);
        engine = subject.reopened(engine).await;
        assert_eq!(engine.bounds().await.unwrap(), before.0);
        let records = everything(&engine).await;
        assert_eq!(seqs(&records), seqs(&before.1));
        for ((record, was), receipt) in records.iter().zip(&before.1).zip(&receipts) {
            assert_eq!((record.tag, record.entry.to_bytes()), (receipt.cursor.tag, was.entry.to_bytes()));
        }
        assert_eq!(seqs(&take(&mut engine.tail(base(&engine).await), records.len()).await), seqs(&records));
    }
    let numbers: Vec<_> = receipts.iter().map(|receipt| receipt.cursor.seq).collect();
    assert_eq!(numbers, (1..=120).collect::<Vec<_>>());
}

/// A retry after a restart is a duplicate.
pub async fn keys_are_known_after_a_restart(subject: &impl Durable) {
    let engine = subject.fresh().await;
    let first = append(&engine, &[entry_with_key("a", "1"), entry_with_key("b", "2")]).await;
    let engine = subject.reopened(engine).await;
    let again = append(&engine, &[entry_with_key("b", "2"), entry_with_key("c", "3")]).await;
    assert_eq!((again[0].duplicate, again[0].cursor), (true, first[1].cursor));
    assert_eq!((again[1].duplicate, again[1].cursor.seq), (false, 3));
}

/// Values that were set are there, and removed ones are not.
pub async fn metadata_is_there_after_a_restart(subject: &impl Durable) {
    let engine = subject.fresh().await;
    put(engine.metadata(), "kept", Some(vec![1, 2])).await;
    put(engine.metadata(), "removed", Some(vec![3])).await;
    put(engine.metadata(), "removed", None).await;
    let engine = subject.reopened(engine).await;
    assert_eq!(engine.metadata().get("kept").await.unwrap(), Some(vec![1, 2]));
    assert_eq!(engine.metadata().get("removed").await.unwrap(), None);
}

/// The tags and keys of trimmed records are there, too.
pub async fn trimmed_records_stay_trimmed(subject: &impl Durable) {
    let engine = subject.keeping(50).await;
    let receipts = outgrow(&engine, 50).await;
    let keys = entries(1)[0].routing_keys();
    let (before, moved) = (engine.bounds().await.unwrap(), engine.moved(&keys).await.unwrap());
    let engine = subject.reopened(engine).await;
    assert_eq!(engine.bounds().await.unwrap(), before);
    assert_eq!(engine.moved(&keys).await.unwrap(), moved);
    assert!(moved.iter().all(|moved| *moved == before.first - 1));
    assert_eq!(engine.locate(&[receipts[0].cursor]).await.unwrap(), [Location::Trimmed]);
    let records = everything(&engine).await;
    assert_eq!(seqs(&records), (before.first..=before.last).collect::<Vec<_>>());
    assert!(records.iter().all(|record| !key(record).is_empty()));
}

/// Closing keeps everything, as does dropping, and then the log can be opened again.
pub async fn a_closed_log_opens_again(subject: &impl Durable) {
    let engine = subject.fresh().await;
    let end = append(&engine, &entries(5)).await[4].cursor;
    engine.close().await;
    let engine = subject.reopened(engine).await;
    assert_eq!(engine.bounds().await.unwrap().end(), end);
}
