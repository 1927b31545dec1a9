//! Numbers, receipts, order, idempotency keys, and callers that are dropped.

use std::{collections::BTreeSet, future::Future, pin::pin, task::Context, time::Duration};

use futures_util::{future::join_all, task::noop_waker};

use super::{
    Subject,
    entries::{DEADLINE, append, entries, entry, entry_with_key, everything, key, seqs, soon},
};
use crate::engine::{AppendError, Engine};

/// `seq` runs from 1, across batches too, and receipts are in the order of the entries.
pub async fn numbers_run_from_one_without_holes(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let mut receipts = append(&engine, &entries(1)).await;
    receipts.extend(append(&engine, &entries(100)).await);
    receipts.extend(append(&engine, &entries(7)).await);
    let numbers: Vec<_> = receipts.iter().map(|receipt| receipt.cursor.seq).collect();
    assert_eq!(numbers, (1..=108).collect::<Vec<_>>());
    assert!(receipts.iter().all(|receipt| !receipt.duplicate));
    let bounds = engine.bounds().await.unwrap();
    assert_eq!((bounds.first, bounds.last), (1, 108));
    assert!(receipts.iter().all(|receipt| receipt.cursor.epoch == bounds.epoch));
}

/// A tag is never 0, a receipt has its record's tag, and the tags of neighbours, or of the same entry in another log,
/// differ.
pub async fn every_record_has_a_tag_of_its_own(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let entries: Vec<_> = (0..200).map(|_| entry("\"the same\"")).collect();
    let receipts = append(&engine, &entries).await;
    let records = everything(&engine).await;
    let told: Vec<_> = receipts.iter().map(|receipt| receipt.cursor.tag).collect();
    let stored: Vec<_> = records.iter().map(|record| record.tag).collect();
    assert_eq!(told, stored);
    assert!(!stored.contains(&0), "0 is the origin's");
    // Two of 200 random tags are equal once in 200,000 runs; three of them practically never.
    assert!(stored.iter().collect::<BTreeSet<_>>().len() >= 199, "tags tell records apart");
}

/// An empty append is acknowledged with no receipts and changes nothing.
pub async fn nothing_appended_is_nothing_acknowledged(subject: &impl Subject) {
    let engine = subject.fresh().await;
    assert!(append(&engine, &[]).await.is_empty());
    assert_eq!(engine.bounds().await.unwrap().last, 0);
}

/// Appends from many tasks get numbers without holes, each batch keeps its own order, and receipts name each entry's
/// position.
pub async fn concurrent_appends_make_one_order(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let receipts = join_all((0..24).map(|task| async move {
        let mut told = Vec::new();
        for batch in 0..8 {
            let batch: Vec<_> =
                (0..5).map(|at| entry_with_key(&format!("{task}-{batch}-{at}"), &at.to_string())).collect();
            let receipts = append(engine, &batch).await;
            let numbers: Vec<_> = receipts.iter().map(|receipt| receipt.cursor.seq).collect();
            assert!(numbers.is_sorted() && numbers.len() == 5, "the records of a batch are in order: {numbers:?}");
            told.extend(batch.into_iter().zip(receipts));
        }
        told
    }));
    let receipts: Vec<_> = receipts.await.into_iter().flatten().collect();
    let records = everything(engine).await;
    assert_eq!(seqs(&records), (1..=24 * 8 * 5).collect::<Vec<_>>());
    for (entry, receipt) in receipts {
        let record = &records[usize::try_from(receipt.cursor.seq - 1).unwrap()];
        assert_eq!((record.tag, key(record)), (receipt.cursor.tag, entry.key.as_str()));
    }
}

/// A repeated key gets the first receipt, marked as a duplicate, and stores nothing, alone or among new keys.
pub async fn a_known_key_is_not_stored_again(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let first = append(&engine, &[entry_with_key("a", "1"), entry_with_key("b", "2")]).await;
    let again = append(&engine, &[entry_with_key("b", "\"other\"")]).await;
    assert!(again[0].duplicate);
    assert_eq!(again[0].cursor, first[1].cursor);
    let mixed = append(&engine, &[entry_with_key("c", "3"), entry_with_key("a", "1"), entry_with_key("d", "4")]).await;
    let told: Vec<_> = mixed.iter().map(|receipt| (receipt.cursor.seq, receipt.duplicate)).collect();
    assert_eq!(told, [(3, false), (1, true), (4, false)]);
    let records = everything(&engine).await;
    assert_eq!(records.iter().map(key).collect::<Vec<_>>(), ["a", "b", "c", "d"]);
    assert_eq!(records[1].entry.payload.get(), "2", "the first one stays");
}

/// The same holds for a key that occurs twice in one batch.
pub async fn a_key_given_twice_at_once_is_stored_once(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let receipts = append(&engine, &[entry_with_key("a", "1"), entry("2"), entry_with_key("a", "3")]).await;
    let told: Vec<_> = receipts.iter().map(|receipt| (receipt.cursor.seq, receipt.duplicate)).collect();
    assert_eq!(told, [(1, false), (2, false), (1, true)]);
    assert_eq!(receipts[0].cursor, receipts[2].cursor);
    assert_eq!(engine.bounds().await.unwrap().last, 2);
}

/// The same holds for callers that append one key at the same time: one of them is the first.
pub async fn a_racing_retry_is_stored_once(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    for round in 0..20 {
        let racing = (0..8).map(|_| async move { append(engine, &[entry_with_key(&round.to_string(), "1")]).await[0] });
        let receipts = join_all(racing).await;
        assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
        assert!(receipts.iter().all(|receipt| receipt.cursor == receipts[0].cursor));
    }
    assert_eq!(engine.bounds().await.unwrap().last, 20);
}

/// An append whose future is dropped stores its batch as a whole or not at all, and the same keys may be appended again.
pub async fn a_dropped_append_is_whole_or_absent(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let batches: Vec<Vec<_>> = (0..30).map(|batch| (0..4).map(|at| format!("{batch}-{at}")).collect()).collect();
    let made = |batch: &[String]| batch.iter().map(|key| entry_with_key(key, "1")).collect::<Vec<_>>();
    for (at, batch) in batches.iter().enumerate() {
        let mut dropped = pin!(engine.append(made(batch), DEADLINE));
        // The future is dropped after no, one or several polls.
        for _ in 0..at % 4 {
            if dropped.as_mut().poll(&mut Context::from_waker(&noop_waker())).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // This append is behind the dropped ones in every queue, so everything that was handed over is in the log now.
    soon("an append after dropped ones", engine.append(vec![entry_with_key("last", "1")], DEADLINE)).await.unwrap();
    let stored: BTreeSet<_> = everything(engine).await.iter().map(|record| key(record).to_owned()).collect();
    for batch in &batches {
        let there = batch.iter().filter(|key| stored.contains(*key)).count();
        assert!(there == 0 || there == batch.len(), "{there} of {batch:?}");
        let receipts = append(engine, &made(batch)).await;
        assert!(receipts.iter().all(|receipt| receipt.duplicate == (there > 0)), "{batch:?}: {receipts:?}");
    }
    let records = everything(engine).await;
    assert_eq!(seqs(&records), (1..=121).collect::<Vec<_>>(), "each key once");
}

/// An append that cannot be stored before its deadline is refused and never stored; or its outcome is unknown, and then
/// the same key may be appended again.
pub async fn an_append_keeps_its_deadline(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let mut expected = BTreeSet::new();
    let mut refused = Vec::new();
    for round in 0..50_u64 {
        let name = format!("late-{round}");
        let late = engine.append(vec![entry_with_key(&name, "1")], Duration::from_micros(round * 20));
        match soon("an append with a deadline", late).await {
            Ok(receipts) => assert!(expected.insert(receipts[0].cursor.seq), "{receipts:?}"),
            Err(AppendError::Refused(_) | AppendError::Overloaded) => refused.push(name),
            Err(AppendError::Unknown(_)) => {
                let again = append(engine, &[entry_with_key(&name, "1")]).await;
                assert!(expected.insert(again[0].cursor.seq), "{again:?}");
            }
        }
    }
    append(engine, &[entry("\"behind it in every queue\"")]).await;
    let records = everything(engine).await;
    for name in &refused {
        assert!(records.iter().all(|record| key(record) != name), "{name} was refused, and stored");
    }
    assert_eq!(records.len(), expected.len() + 1, "each of the other records is stored once");
    for name in refused {
        assert!(!append(engine, &[entry_with_key(&name, "1")]).await[0].duplicate, "{name} is not known");
    }
}
