//! What a log that survives its process keeps.

use super::{
    Durable,
    entries::{append, entries, entry_with_key, everything, key, outgrow, seqs, take},
};
use crate::engine::Engine;

/// The same epoch, bounds and records, and the next number; several times over.
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
        assert_eq!(seqs(&take(&mut engine.tail(1), records.len()).await), seqs(&records));
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

/// Values are there, removed ones are not.
pub async fn metadata_is_there_after_a_restart(subject: &impl Durable) {
    let engine = subject.fresh().await;
    engine.metadata().put("kept", Some(vec![1, 2])).await.unwrap();
    engine.metadata().put("removed", Some(vec![3])).await.unwrap();
    engine.metadata().put("removed", None).await.unwrap();
    let engine = subject.reopened(engine).await;
    assert_eq!(engine.metadata().get("kept").await.unwrap(), Some(vec![1, 2]));
    assert_eq!(engine.metadata().get("removed").await.unwrap(), None);
}

/// Also the tag of the record before the first.
pub async fn what_was_trimmed_stays_trimmed(subject: &impl Durable) {
    let engine = subject.keeping(50).await;
    let receipts = outgrow(&engine, 50).await;
    let before = engine.bounds().await.unwrap();
    let engine = subject.reopened(engine).await;
    let after = engine.bounds().await.unwrap();
    assert_eq!((after.epoch, after.last), (before.epoch, before.last));
    assert!(after.first >= before.first && after.first > 1);
    assert_eq!(after.base_tag, receipts[usize::try_from(after.first - 2).unwrap()].cursor.tag);
    let records = everything(&engine).await;
    assert_eq!(seqs(&records), (after.first..=after.last).collect::<Vec<_>>());
    assert!(records.iter().all(|record| !key(record).is_empty()));
}
