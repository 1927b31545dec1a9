//! Every record, in order, once, and no silence.

use futures_util::{FutureExt, StreamExt, future::join};

use super::{
    Subject,
    entries::{ALL, append, entries, entry, entry_with_key, everything, key, seqs, soon, take},
};
use crate::engine::{Engine, Limit};

/// From the first record, from within, and from the next one that comes.
pub async fn a_tail_yields_everything_from_its_start(subject: &impl Subject) {
    let engine = subject.fresh().await;
    append(&engine, &entries(2_500)).await;
    let (mut all, mut some, mut next) = (engine.tail(1), engine.tail(2_000), engine.tail(2_501));
    append(&engine, &entries(1)).await;
    let records = take(&mut all, 2_501).await;
    assert_eq!(seqs(&records), (1..=2_501).collect::<Vec<_>>());
    for (yielded, read) in records.iter().zip(everything(&engine).await) {
        assert_eq!((yielded.tag, key(yielded)), (read.tag, key(&read)));
    }
    assert_eq!(seqs(&take(&mut some, 502).await), (2_000..=2_501).collect::<Vec<_>>());
    assert_eq!(seqs(&take(&mut next, 1).await), [2_501]);
    assert_eq!(take(&mut engine.tail(0), 1).await[0].seq, 1, "there is no record 0");
}

/// At the end of the log a tail waits, and ends by nothing but an error; one that starts beyond the end waits for its start.
pub async fn a_tail_waits_for_what_comes_next(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let (mut tail, mut beyond) = (engine.tail(1), engine.tail(3));
    for round in 1..=4 {
        assert!(tail.next().now_or_never().is_none(), "nothing there yet");
        if round < 4 {
            append(&engine, &entries(1)).await;
            assert_eq!(seqs(&take(&mut tail, 1).await), [round]);
        }
    }
    assert_eq!(seqs(&take(&mut beyond, 1).await), [3]);
}

/// While many append.
pub async fn a_tail_under_load_misses_and_repeats_nothing(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let mut tail = engine.tail(1);
    let writers = futures_util::future::join_all((0..8).map(|_| async move {
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

/// A repeated key comes once.
pub async fn a_tail_never_shows_a_duplicate(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let mut tail = engine.tail(1);
    for _ in 0..3 {
        append(&engine, &[entry_with_key("same", "1")]).await;
    }
    append(&engine, &[entry_with_key("end", "1")]).await;
    assert_eq!(take(&mut tail, 2).await.iter().map(key).collect::<Vec<_>>(), ["same", "end"]);
}

/// What it yields could be acknowledged: the log has it, at that moment, under that number and tag.
pub async fn a_tail_is_never_ahead_of_the_log(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    let mut tail = engine.tail(1);
    let publisher = async {
        for _ in 0..50 {
            append(engine, &entries(3)).await;
        }
    };
    let follower = async {
        let mut seen = 0;
        while seen < 150 {
            let last = take(&mut tail, 1).await.pop().unwrap();
            assert!(engine.bounds().await.unwrap().last >= last.seq);
            let read = engine.read(last.seq - 1, Limit { records: 1, bytes: 1 }).await.unwrap();
            assert_eq!((read[0].seq, read[0].tag, key(&read[0])), (last.seq, last.tag, key(&last)));
            seen = last.seq;
        }
    };
    join(publisher, follower).await;
}

/// One that nobody reads holds up neither appends nor another tail, and has everything when it is read.
pub async fn tails_are_independent(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let (mut quick, mut slow) = (engine.tail(1), engine.tail(1));
    append(&engine, &[entry("1")]).await;
    assert_eq!(take(&mut slow, 1).await.len(), 1);
    for _ in 0..10 {
        append(&engine, &entries(500)).await;
    }
    assert_eq!(take(&mut quick, 5_001).await.len(), 5_001);
    assert_eq!(seqs(&take(&mut slow, 5_000).await), (2..=5_001).collect::<Vec<_>>());
    drop(slow);
    assert_eq!(engine.read(5_000, ALL).await.unwrap().len(), 1);
}

/// A tail does not outlive its engine, or the hub's task would never end.
pub async fn a_tail_ends_with_its_engine(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let mut tail = engine.tail(1);
    append(&engine, &entries(1)).await;
    take(&mut tail, 1).await;
    drop(engine);
    let rest = soon("the end of a tail", tail.next()).await;
    assert!(!matches!(rest, Some(Ok(_))), "{rest:?}");
}
