//! Appends while the log cannot be written to.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{
    Hangs,
    entries::{append, base, entry, entry_with_key, everything, key, soon, take},
};
use crate::engine::{AppendError, Engine};

/// The deadline of an append.
const DEADLINE: Duration = Duration::from_millis(300);
/// How much later its caller may learn the outcome, on a busy machine.
const SLACK: Duration = Duration::from_secs(3);

/// The append is answered at its deadline. If it was refused, it is not stored once the log can be written to again; if
/// its outcome is unknown, the same key may be appended again and is stored once.
pub async fn an_append_that_hangs_is_answered_at_its_deadline(subject: &impl Hangs) {
    let engine = &subject.fresh().await;
    append(engine, &[entry("0")]).await;
    let hanging = subject.hang(engine).await;
    let began = Instant::now();
    let appends = (0..20).map(|number| async move {
        let name = number.to_string();
        (engine.append(vec![entry_with_key(&name, "1")], DEADLINE).await, name)
    });
    let outcomes = soon("appends to a log that hangs", join_all(appends)).await;
    assert!(began.elapsed() < DEADLINE + SLACK, "{:?}", began.elapsed());
    drop(hanging);
    // This append is behind them in every queue.
    append(engine, &[entry("1")]).await;
    for (outcome, name) in outcomes {
        match outcome {
            Ok(receipts) => panic!("it was stored while the log hung: {receipts:?}"),
            Err(AppendError::Refused(_) | AppendError::Overloaded) => {
                let records = everything(engine).await;
                assert!(records.iter().all(|record| key(record) != name), "{name} was refused, and stored");
            }
            Err(AppendError::Unknown(_)) => {
                append(engine, &[entry_with_key(&name, "1")]).await;
                let records = everything(engine).await;
                assert_eq!(records.iter().filter(|record| key(record) == name).count(), 1, "{name}");
            }
        }
    }
}

/// An append that could be written after all, but too late, is not in the log.
pub async fn nothing_is_stored_after_its_deadline(subject: &impl Hangs) {
    let engine = &subject.fresh().await;
    let mut tail = engine.tail(base(engine).await);
    let hanging = subject.hang(engine).await;
    let late = engine.append(vec![entry_with_key("late", "1")], DEADLINE).await;
    assert!(late.is_err(), "{late:?}");
    drop(hanging);
    append(engine, &[entry_with_key("next", "1")]).await;
    let seen = take(&mut tail, 1).await;
    assert_eq!(seen.iter().map(key).collect::<Vec<_>>(), ["next"]);
}
