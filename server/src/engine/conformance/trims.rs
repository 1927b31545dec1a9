//! Removal from the front only.

use super::{
    Subject,
    entries::{ALL, append, entry_with_key, everything, key, outgrow, seqs, soon},
};
use crate::engine::Engine;
use futures_util::StreamExt;

const KEEPS: usize = 200;

/// What is left is whole and ends with the last record; the tag of the record before it is kept; a read from before it starts
/// with it.
pub async fn trimming_takes_from_the_front_only(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let receipts = outgrow(&engine, KEEPS).await;
    // The log is quiet now, but may still be trimming: bounds before and after frame what is read.
    let before = engine.bounds().await.unwrap();
    let records = engine.read(0, ALL).await.unwrap();
    let after = engine.bounds().await.unwrap();
    assert_eq!((before.epoch, before.last), (after.epoch, receipts.len() as u64));
    assert!(before.first > 1 && before.first <= after.first);
    let first = records.first().expect("something is kept").seq;
    assert!((before.first..=after.first).contains(&first), "{first} is not in {before:?} to {after:?}");
    assert_eq!(seqs(&records), (first..=after.last).collect::<Vec<_>>(), "no hole");
    let tag = |seq: u64| receipts[usize::try_from(seq - 1).unwrap()].cursor.tag;
    assert_eq!(after.base_tag, tag(after.first - 1));
    assert!(records.iter().all(|record| record.tag == tag(record.seq)));
    let next = append(&engine, &[entry_with_key("next", "1")]).await;
    assert_eq!(next[0].cursor.seq, after.last + 1, "numbers go on");
}

/// A tail whose start is trimmed away ends or yields an error, unless it still has the record; it never starts elsewhere.
pub async fn a_tail_never_skips_what_was_trimmed(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let mut early = engine.tail(1);
    outgrow(&engine, KEEPS).await;
    for (mut tail, name) in [(engine.tail(1), "late"), (engine.tail(2), "second")] {
        let from = if name == "late" { 1 } else { 2 };
        if let Some(Ok(records)) = soon("a tail's answer", tail.next()).await {
            assert_eq!(records[0].seq, from, "{name}");
        }
    }
    let mut next = 1;
    while let Some(Ok(records)) = soon("a tail's answer", early.next()).await {
        assert_eq!(records[0].seq, next);
        next = records.last().unwrap().seq + 1;
        if next > engine.bounds().await.unwrap().last {
            break;
        }
    }
}

/// However much was trimmed, a retry of what is still there is a duplicate.
pub async fn a_key_is_known_as_long_as_its_record(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    outgrow(&engine, KEEPS).await;
    let kept = everything(&engine).await;
    let last = engine.bounds().await.unwrap().last;
    // The newer half: appending itself must not trim what is about to be repeated.
    for record in &kept[kept.len() / 2..] {
        let again = append(&engine, &[entry_with_key(key(record), "1")]).await;
        assert!(again[0].duplicate, "{record:?}");
        assert_eq!((again[0].cursor.seq, again[0].cursor.tag), (record.seq, record.tag));
    }
    assert_eq!(engine.bounds().await.unwrap().last, last);
}
