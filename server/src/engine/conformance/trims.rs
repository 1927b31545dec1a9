//! Removal from the front only, and what is kept of trimmed records.

use std::collections::HashMap;

use tidings_protocol::Cursor;

use super::{
    Subject,
    entries::{ALL, append, base, entries, entry_on, entry_with_key, everything, key, next, outgrow, seqs, trim},
};
use crate::engine::{Engine, Location, ReadError, RoutingKey, Trim};

const KEEPS: usize = 200;

/// The remaining records are whole and end with the last one, and the tag of the record before them is kept.
pub async fn trimming_takes_from_the_front_only(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let receipts = outgrow(&engine, KEEPS).await;
    let bounds = engine.bounds().await.unwrap();
    let tag = |seq: u64| receipts[usize::try_from(seq - 1).unwrap()].cursor.tag;
    assert_eq!(bounds.last, receipts.len() as u64);
    assert!(bounds.first > 1 && bounds.first <= bounds.last, "something is kept");
    assert_eq!((bounds.base_tag, bounds.last_tag), (Some(tag(bounds.first - 1)), Some(tag(bounds.last))));
    let records = everything(&engine).await;
    assert_eq!(seqs(&records), (bounds.first..=bounds.last).collect::<Vec<_>>(), "no hole");
    assert!(records.iter().all(|record| record.tag == tag(record.seq)));
    let next = append(&engine, &[entry_with_key("next", "1")]).await;
    assert_eq!(next[0].cursor.seq, bounds.last + 1, "numbers go on");
}

/// If nothing is beyond the bounds, nothing is removed, and there is no more to do.
pub async fn trimming_leaves_what_is_kept(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let idle = Trim { removed: 0, more: false };
    assert_eq!(engine.trim().await.unwrap(), idle);
    append(&engine, &entries(KEEPS / 2)).await;
    assert_eq!(engine.trim().await.unwrap(), idle);
    assert_eq!(everything(&engine).await.len(), KEEPS / 2);
    outgrow(&engine, KEEPS).await;
    let before = engine.bounds().await.unwrap();
    assert_eq!(engine.trim().await.unwrap(), idle, "and not again");
    assert_eq!(engine.bounds().await.unwrap(), before);
}

/// A step returns the number of removed records, and the bounds show it at once.
pub async fn a_step_of_trimming_says_what_it_did(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    for _ in 0..10 {
        append(&engine, &entries(KEEPS)).await;
        loop {
            let before = engine.bounds().await.unwrap().first;
            let step = engine.trim().await.unwrap();
            assert_eq!(engine.bounds().await.unwrap().first, before + step.removed);
            if !step.more {
                break;
            }
        }
    }
    assert!(engine.bounds().await.unwrap().first > 1);
}

/// A cursor of a trimmed record is told by its tag from one that was never of this log; reading and following the log
/// from it report that.
pub async fn a_cursor_before_the_beginning_is_told(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let origin = base(&engine).await;
    let receipts = outgrow(&engine, KEEPS).await;
    let base = base(&engine).await;
    let left = receipts.iter().map(|receipt| receipt.cursor).filter(|cursor| cursor.seq < base.seq);
    let left: Vec<_> = std::iter::once(origin).chain(left).collect();
    let other: Vec<_> = left.iter().map(|cursor| Cursor { tag: cursor.tag ^ 1, ..*cursor }).collect();
    assert_eq!(engine.locate(&left).await.unwrap(), vec![Location::Trimmed; left.len()]);
    assert_eq!(engine.locate(&other).await.unwrap(), vec![Location::Diverged; left.len()]);
    assert_eq!(engine.locate(&[base]).await.unwrap(), [Location::Held], "the log begins right after this cursor");
    for cursor in left.into_iter().step_by(97) {
        let read = engine.read(cursor, ALL).await;
        assert!(matches!(read, Err(ReadError::Trimmed { base: told }) if told == base), "{cursor}: {read:?}");
        let mut tail = engine.tail(cursor);
        let item = next(&mut tail).await.unwrap();
        assert!(matches!(item, Err(ReadError::Trimmed { base: told }) if told == base), "{cursor}: {item:?}");
        assert_eq!(engine.at(cursor.seq).await.unwrap(), None);
    }
    let read = engine.read(other_tag(receipts[0].cursor), ALL).await;
    assert!(matches!(read, Err(ReadError::Diverged)), "{read:?}");
}

fn other_tag(cursor: Cursor) -> Cursor {
    Cursor { tag: cursor.tag ^ 1, ..cursor }
}

/// For each key, users and patterns included, its last use among the trimmed records is known; a key that was not used
/// there is known as unused; and records still in the log do not count.
pub async fn trimmed_records_are_kept_in_the_summary(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let mut uses: Vec<(u64, Vec<RoutingKey>)> = Vec::new();
    let mut known: HashMap<RoutingKey, u64> = HashMap::new();
    for round in 0..20 {
        let batch: Vec<_> = (0..KEEPS / 4).map(|at| entry_on(&format!("room:{}", (round * at) % 60), "1")).collect();
        let receipts = append(&engine, &batch).await;
        uses.extend(batch.iter().zip(receipts).map(|(entry, receipt)| (receipt.cursor.seq, entry.routing_keys())));
        trim(&engine).await;
        let first = engine.bounds().await.unwrap().first;
        for (seq, keys) in uses.iter().filter(|(seq, _)| *seq < first) {
            known.extend(keys.iter().map(|key| (*key, *seq)));
        }
        uses.retain(|(seq, _)| *seq >= first);
        let keys: Vec<_> = known.keys().copied().collect();
        let expected: Vec<_> = keys.iter().map(|key| known[key]).collect();
        assert_eq!(engine.moved(&keys).await.unwrap(), expected);
    }
    assert!(known.len() > 50);
    let silent = entry_on("room:silent", "1").routing_keys()[0];
    assert_eq!(engine.moved(&[silent]).await.unwrap(), [0]);
    append(&engine, &[entry_on("room:silent", "1")]).await;
    assert_eq!(engine.moved(&[silent]).await.unwrap(), [0], "it has not left");
    assert!(engine.moved(&[]).await.unwrap().is_empty());
}

/// A tail whose start is trimmed away reports it, or still has the record. It never starts elsewhere, and never skips.
pub async fn a_tail_never_skips_what_was_trimmed(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    let mut after = base(&engine).await;
    let mut early = engine.tail(after);
    let last = outgrow(&engine, KEEPS).await.last().unwrap().cursor;
    while after != last {
        match next(&mut early).await.unwrap() {
            Ok(batch) => {
                assert_eq!(batch.after, after);
                for record in batch.records {
                    assert_eq!(record.seq, after.seq + 1);
                    after = super::entries::cursor(&record, after);
                }
            }
            Err(ReadError::Trimmed { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
}

/// However much was trimmed, a retry of a record that is still in the log is a duplicate.
pub async fn a_key_is_known_as_long_as_its_record(subject: &impl Subject) {
    let engine = subject.keeping(KEEPS as u64).await;
    outgrow(&engine, KEEPS).await;
    let kept = everything(&engine).await;
    let last = engine.bounds().await.unwrap().last;
    // Only the newer half is repeated, because appending must not trim the records that are about to be repeated.
    for record in &kept[kept.len() / 2..] {
        let again = append(&engine, &[entry_with_key(key(record), "1")]).await;
        assert!(again[0].duplicate, "{record:?}");
        assert_eq!((again[0].cursor.seq, again[0].cursor.tag), (record.seq, record.tag));
    }
    assert_eq!(engine.bounds().await.unwrap().last, last);
}
