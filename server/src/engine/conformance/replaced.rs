//! A log that loses its end, or is replaced by another one, while handles and tails use it.

use super::{
    Replaced,
    entries::{ALL, append, cursor, entries, next, soon},
};
use crate::engine::{Engine, Location, ReadError, Tail};
use tidings_protocol::Cursor;

/// Checks that whatever the tail still yields follows `after`. Returns the error with which it ends.
async fn ends_in_order(tail: &mut Tail, mut after: Cursor) -> ReadError {
    let ends = async {
        loop {
            match next(tail).await.expect("an error before the end") {
                Ok(batch) => {
                    assert_eq!(batch.after, after, "no batch follows a record that was lost");
                    after = batch.records.last().map_or(after, |last| cursor(last, after));
                }
                Err(error) => return error,
            }
        }
    };
    soon("the end of the tail", ends).await
}

/// A tail that has yielded records which were lost does not continue with the records that reuse their numbers.
pub async fn a_tail_does_not_go_on_in_a_log_that_lost_its_end(subject: &impl Replaced) {
    let engine = subject.fresh().await;
    let receipts = append(&engine, &entries(20)).await;
    let (kept, lost) = (receipts[9].cursor, receipts[19].cursor);
    let mut tail = engine.tail(lost);
    next(&mut tail).await.unwrap().unwrap();
    subject.roll_back(&engine, kept).await;
    // This appends more records than were lost, if the handle can still append at all.
    let _ = soon("an append", engine.append(entries(20), super::entries::DEADLINE)).await;
    let error = ends_in_order(&mut tail, lost).await;
    assert!(matches!(error, ReadError::Diverged | ReadError::Unavailable(_)), "{error}");
    if let Ok(located) = engine.locate(&[kept, lost]).await {
        assert_eq!(located, [Location::Held, Location::Diverged]);
    }
    let read = engine.read(lost, ALL).await;
    assert!(matches!(read, Err(ReadError::Diverged | ReadError::Unavailable(_))), "{read:?}");
}

/// A tail does not continue in another log either.
pub async fn a_tail_does_not_go_on_in_another_log(subject: &impl Replaced) {
    let engine = subject.fresh().await;
    let end = append(&engine, &entries(20)).await[19].cursor;
    let mut tail = engine.tail(end);
    next(&mut tail).await.unwrap().unwrap();
    subject.replace(&engine).await;
    let _ = soon("an append", engine.append(entries(30), super::entries::DEADLINE)).await;
    let error = ends_in_order(&mut tail, end).await;
    assert!(matches!(error, ReadError::Epoch | ReadError::Unavailable(_)), "{error}");
    let read = engine.read(end, ALL).await;
    assert!(matches!(read, Err(ReadError::Epoch | ReadError::Unavailable(_))), "{read:?}");
}
