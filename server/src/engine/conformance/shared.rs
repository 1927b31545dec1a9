//! Two handles on one log: all promises hold across them.

use std::collections::HashMap;

use futures_util::future::{join, join_all};

use super::{
    Shared,
    beside::{count, put},
    entries::{ALL, append, base, ends, entries, entry_with_key, everything, key, next, outgrow, seqs, take},
};
use crate::engine::{Engine, Location, ReadError};

/// Both handles append. The numbers have no holes, and both handles, and the tails on both, show the same log.
pub async fn two_handles_write_one_log(subject: &impl Shared) {
    let one = &subject.fresh().await;
    let other = &subject.another(one).await;
    let origin = base(one).await;
    let (mut of_one, mut of_other) = (one.tail(origin), other.tail(origin));
    let writers = join_all((0..8).map(|task| async move {
        let handle = if task % 2 == 0 { one } else { other };
        for _ in 0..20 {
            let receipts = append(handle, &entries(7)).await;
            let numbers: Vec<_> = receipts.iter().map(|receipt| receipt.cursor.seq).collect();
            assert!(numbers.is_sorted(), "the records of a batch are in order");
            assert!(receipts.iter().all(|receipt| receipt.cursor.epoch == origin.epoch));
        }
    }));
    let all = 8 * 20 * 7;
    let (_, (one_saw, other_saw)) = join(writers, join(take(&mut of_one, all), take(&mut of_other, all))).await;
    let expected: Vec<_> = (1..=all as u64).collect();
    let stored = everything(other).await;
    assert_eq!(seqs(&stored), expected);
    for seen in [one_saw, other_saw, everything(one).await] {
        assert!(seen.iter().zip(&stored).all(|(a, b)| (a.seq, a.tag, key(a)) == (b.seq, b.tag, key(b))));
        assert_eq!(seen.len(), stored.len());
    }
}

/// A handle sees the records that the other one acknowledged, at the latest after it was asked for its bounds.
pub async fn a_handle_reads_what_another_handle_wrote(subject: &impl Shared) {
    let one = subject.fresh().await;
    let other = subject.another(&one).await;
    let mut after = base(&one).await;
    for round in 0..100 {
        let (writes, reads) = if round % 2 == 0 { (&one, &other) } else { (&other, &one) };
        let end = append(writes, &entries(1)).await[0].cursor;
        assert_eq!(ends(reads).await.1, end);
        assert_eq!(reads.locate(&[end]).await.unwrap(), [Location::Held]);
        assert_eq!(seqs(&reads.read(after, ALL).await.unwrap()), [end.seq]);
        after = end;
    }
}

/// A key that both handles append at the same time is stored once, and both receive its position.
pub async fn a_key_raced_on_two_handles_is_stored_once(subject: &impl Shared) {
    let one = &subject.fresh().await;
    let other = &subject.another(one).await;
    for round in 0..30 {
        let racing = (0..8).map(|at| async move {
            let handle = if at % 2 == 0 { one } else { other };
            append(handle, &[entry_with_key(&round.to_string(), "1")]).await[0]
        });
        let receipts = join_all(racing).await;
        assert_eq!(receipts.iter().filter(|receipt| !receipt.duplicate).count(), 1);
        assert!(receipts.iter().all(|receipt| receipt.cursor == receipts[0].cursor));
    }
    assert_eq!(other.bounds().await.unwrap().last, 30);
}

/// Both handles trim while both append. No record is trimmed twice, no record within the bounds is trimmed, and both
/// report the same about trimmed records.
pub async fn two_handles_trim_one_log(subject: &impl Shared) {
    const KEEPS: usize = 100;
    let one = &subject.keeping(KEEPS as u64).await;
    let other = &subject.another(one).await;
    let work = |handle| async move {
        let mut receipts = Vec::new();
        let mut removed = 0;
        for _ in 0..40 {
            receipts.extend(append(handle, &entries(KEEPS / 4)).await);
            removed += super::entries::trim(handle).await;
        }
        (receipts, removed)
    };
    let ((mut receipts, by_one), (of_other, by_other)) = join(work(one), work(other)).await;
    receipts.extend(of_other);
    let base = base(one).await;
    // An engine whose log overflows may have trimmed while it appended.
    assert!(base.seq > 0 && by_one + by_other <= base.seq, "each record left once");
    let tags: HashMap<_, _> = receipts.iter().map(|receipt| (receipt.cursor.seq, receipt.cursor)).collect();
    for handle in [one, other] {
        let (begins, ended) = ends(handle).await;
        assert_eq!((begins, base), (base, tags[&base.seq]));
        let records = everything(handle).await;
        assert_eq!(seqs(&records), (base.seq + 1..=ended.seq).collect::<Vec<_>>());
        assert_eq!(handle.locate(&[tags[&1]]).await.unwrap(), [Location::Trimmed]);
        let keys = entries(1)[0].routing_keys();
        assert!(handle.moved(&keys).await.unwrap().iter().all(|moved| *moved == base.seq));
    }
}

/// A tail on one handle that lags behind the other handle's trimming reports it, or still has the record.
pub async fn a_tail_that_lags_behind_the_other_handle_is_told(subject: &impl Shared) {
    let one = subject.keeping(100).await;
    let other = subject.another(&one).await;
    let mut after = base(&one).await;
    let mut lags = one.tail(after);
    next(&mut lags).await.unwrap().unwrap();
    let last = outgrow(&other, 100).await.last().unwrap().cursor;
    while after != last {
        match next(&mut lags).await.unwrap() {
            Ok(batch) => {
                assert_eq!(batch.after, after);
                after = batch.records.last().map_or(after, |last| super::entries::cursor(last, after));
            }
            Err(ReadError::Trimmed { base: told }) => {
                assert_eq!(told, base(&one).await);
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// A handle sees the other's change of the metadata with its next call, and of racing swaps one wins.
pub async fn metadata_is_one_for_both_handles(subject: &impl Shared) {
    let one = subject.fresh().await;
    let other = subject.another(&one).await;
    for value in 0..50 {
        let (writes, reads) = if value % 2 == 0 { (&one, &other) } else { (&other, &one) };
        put(writes.metadata(), "a", Some(vec![value])).await;
        assert_eq!(reads.metadata().get("a").await.unwrap(), Some(vec![value]));
        assert_eq!(reads.metadata().list("").await.unwrap(), [("a".to_owned(), vec![value])]);
    }
    count(&[one.metadata(), other.metadata()]).await;
}
