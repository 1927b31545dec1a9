//! Every record, in order, once, and no silence.

use std::time::Instant;

use futures_util::{
    StreamExt,
    future::{Either, join, join_all, select},
};
use tidings_protocol::Cursor;

use super::{
    Subject,
    entries::{
        ALL, DEADLINE, append, base, cursor, ends, entries, entry, entry_with_key, everything, key, next, seqs, soon,
        take,
    },
};
use crate::engine::{Engine, Limit, ReadError, TAIL_BEAT};

/// A tail can start at the first record, in the middle, and at the end of the log.
pub async fn a_tail_yields_everything_after_its_cursor(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let origin = base(&engine).await;
    let receipts = append(&engine, &entries(2_500)).await;
    let (mut all, mut some) = (engine.tail(origin), engine.tail(receipts[1_998].cursor));
    let mut new = engine.tail(receipts[2_499].cursor);
    append(&engine, &entries(1)).await;
    let records = take(&mut all, 2_501).await;
    assert_eq!(seqs(&records), (1..=2_501).collect::<Vec<_>>());
    for (yielded, read) in records.iter().zip(everything(&engine).await) {
        assert_eq!((yielded.tag, key(yielded)), (read.tag, key(&read)));
    }
    assert_eq!(seqs(&take(&mut some, 502).await), (2_000..=2_501).collect::<Vec<_>>());
    assert_eq!(seqs(&take(&mut new, 1).await), [2_501]);
}

/// The first batch comes at once and confirms that the log holds the cursor, even if no record follows. Each batch
/// names the cursor that it follows.
pub async fn a_tail_begins_with_its_cursor(subject: &impl Subject) {
    let engine = subject.fresh().await;
    for _ in 0..2 {
        let (_, end) = ends(&engine).await;
        let mut tail = engine.tail(end);
        let began = Instant::now();
        let batch = next(&mut tail).await.unwrap().unwrap();
        assert!(began.elapsed() < TAIL_BEAT, "at once, not after a beat");
        assert_eq!((batch.after, batch.records.len()), (end, 0));
        append(&engine, &entries(3)).await;
        assert_eq!(next(&mut tail).await.unwrap().unwrap().after, end);
    }
}

/// A tail after a cursor that the log does not hold reports why, and ends.
pub async fn a_tail_checks_its_cursor(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let end = append(&engine, &entries(5)).await[4].cursor;
    let diverged = [
        Cursor { tag: end.tag ^ 1, ..end },
        Cursor { seq: end.seq + 1, ..end },
        Cursor { seq: end.seq - 1, ..end },
        Cursor { seq: 1 << 40, ..end },
    ];
    for after in diverged {
        let mut tail = engine.tail(after);
        let item = next(&mut tail).await.unwrap();
        assert!(matches!(item, Err(ReadError::Diverged)), "{after}: {item:?}");
        assert!(soon("the end of a tail", tail.next()).await.is_none());
    }
    let item = next(&mut engine.tail(Cursor { epoch: end.epoch ^ 1, ..end })).await.unwrap();
    assert!(matches!(item, Err(ReadError::Epoch)), "{item:?}");
}

/// At the end of the log a tail waits, and yields empty batches at most [`TAIL_BEAT`] apart to show that it is alive.
pub async fn a_tail_that_has_nothing_to_yield_says_so(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let end = append(&engine, &entries(1)).await[0].cursor;
    let mut tail = engine.tail(end);
    let mut before = Instant::now();
    for _ in 0..3 {
        let batch = next(&mut tail).await.unwrap().unwrap();
        assert_eq!((batch.after, batch.records.len()), (end, 0));
        // A busy machine may need longer.
        assert!(before.elapsed() < 2 * TAIL_BEAT, "{:?}", before.elapsed());
        before = Instant::now();
    }
    append(&engine, &entries(1)).await;
    assert_eq!(seqs(&take(&mut tail, 1).await), [2]);
    assert!(before.elapsed() < TAIL_BEAT, "a new record does not wait for the next beat");
}

/// The tail is read while many tasks append.
pub async fn a_tail_under_load_misses_and_repeats_nothing(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let mut tail = engine.tail(base(engine).await);
    let writers = join_all((0..8).map(|_| async move {
        for _ in 0..20 {
            append(engine, &entries(15)).await;
        }
    }));
    let (_, records) = join(writers, take(&mut tail, 8 * 20 * 15)).await;
    assert_eq!(seqs(&records), (1..=8 * 20 * 15).collect::<Vec<_>>());
    let keys: Vec<_> = records.iter().map(key).collect();
    let stored = everything(engine).await;
    assert_eq!(keys, stored.iter().map(key).collect::<Vec<_>>());
}

/// A repeated key is yielded once.
pub async fn a_tail_never_shows_a_duplicate(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let mut tail = engine.tail(base(&engine).await);
    for _ in 0..3 {
        append(&engine, &[entry_with_key("same", "1")]).await;
    }
    append(&engine, &[entry_with_key("end", "1")]).await;
    assert_eq!(take(&mut tail, 2).await.iter().map(key).collect::<Vec<_>>(), ["same", "end"]);
}

/// Every yielded record could be acknowledged: at that moment the log has it under that number and tag.
pub async fn a_tail_is_never_ahead_of_the_log(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let mut after = base(engine).await;
    let mut tail = engine.tail(after);
    let publisher = async {
        for _ in 0..50 {
            append(engine, &entries(3)).await;
        }
    };
    let follower = async {
        while after.seq < 150 {
            let batch = next(&mut tail).await.unwrap().unwrap();
            let Some(last) = batch.records.last() else { continue };
            assert!(engine.bounds().await.unwrap().last >= last.seq);
            let read = engine.read(after, Limit { records: batch.records.len(), bytes: usize::MAX }).await.unwrap();
            let read = read.last().unwrap();
            assert_eq!((read.seq, read.tag, key(read)), (last.seq, last.tag, key(last)));
            after = cursor(last, after);
        }
    };
    join(publisher, follower).await;
}

/// A tail that nobody reads delays neither appends nor another tail, and yields everything when it is read.
pub async fn tails_are_independent(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let origin = base(&engine).await;
    let (mut quick, mut slow) = (engine.tail(origin), engine.tail(origin));
    append(&engine, &[entry("1")]).await;
    assert_eq!(take(&mut slow, 1).await.len(), 1);
    let mut receipts = Vec::new();
    for _ in 0..10 {
        receipts.extend(append(&engine, &entries(500)).await);
    }
    assert_eq!(take(&mut quick, 5_001).await.len(), 5_001);
    assert_eq!(seqs(&take(&mut slow, 5_000).await), (2..=5_001).collect::<Vec<_>>());
    drop(slow);
    assert_eq!(engine.read(receipts[4_998].cursor, ALL).await.unwrap().len(), 1);
}

/// A tail that is dropped while it reads affects neither appends nor other tails.
pub async fn a_dropped_tail_ends_no_other(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let origin = base(engine).await;
    for round in 0..20 {
        let mut dropped = engine.tail(origin);
        let entries = [entry_with_key(&round.to_string(), "1")];
        let polled = Box::pin(dropped.next());
        let appended = Box::pin(append(engine, &entries));
        match select(polled, appended).await {
            Either::Left((_, appended)) => drop(appended.await),
            Either::Right((_, polled)) => drop(polled),
        }
    }
    assert_eq!(seqs(&take(&mut engine.tail(origin), 20).await), (1..=20).collect::<Vec<_>>());
}

/// A tail ends with its engine. Otherwise the hub's task would never end.
pub async fn a_tail_ends_with_its_engine(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let mut tail = engine.tail(base(&engine).await);
    append(&engine, &entries(1)).await;
    take(&mut tail, 1).await;
    drop(engine);
    let rest = soon("the end of a tail", tail.next()).await;
    assert!(!matches!(rest, Some(Ok(_))), "{rest:?}");
}

/// After `close`, calls fail and tails end.
pub async fn a_closed_engine_refuses_every_call(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let end = append(engine, &entries(3)).await[2].cursor;
    let mut tail = engine.tail(end);
    next(&mut tail).await.unwrap().unwrap();
    soon("closing", engine.close()).await;
    let appended = soon("an append", engine.append(entries(1), DEADLINE)).await;
    assert!(appended.is_err(), "{appended:?}");
    assert!(soon("bounds", engine.bounds()).await.is_err());
    assert!(soon("a read", engine.read(end, ALL)).await.is_err());
    assert!(soon("locating", engine.locate(&[end])).await.is_err());
    assert!(soon("trimming", engine.trim()).await.is_err());
    let rest = soon("the end of a tail", tail.next()).await;
    assert!(!matches!(rest, Some(Ok(_))), "{rest:?}");
    soon("closing again", engine.close()).await;
}
