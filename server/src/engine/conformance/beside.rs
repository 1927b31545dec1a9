//! The metadata beside the log.

use futures_util::future::join_all;

use super::{Subject, entries::outgrow};
use crate::engine::{Engine, Metadata};

/// Sets a key whatever its value is; for tests in which no other task writes it.
pub(super) async fn put(metadata: &dyn Metadata, key: &str, value: Option<Vec<u8>>) {
    let now = metadata.get(key).await.unwrap();
    assert!(metadata.swap(key, now.as_deref(), value).await.unwrap());
}

/// A value stays until it is replaced or removed, and keys are independent.
pub async fn metadata_keeps_values_by_key(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let metadata = engine.metadata();
    assert_eq!(metadata.get("a").await.unwrap(), None);
    put(metadata, "a", Some(vec![0, 255])).await;
    put(metadata, "A", Some(Vec::new())).await;
    put(metadata, "a'\u{e9}", Some(vec![1; 100_000])).await;
    assert_eq!(metadata.get("a").await.unwrap(), Some(vec![0, 255]));
    assert_eq!(metadata.get("A").await.unwrap(), Some(Vec::new()));
    assert_eq!(metadata.get("a'\u{e9}").await.unwrap(), Some(vec![1; 100_000]));
    put(metadata, "a", Some(vec![7])).await;
    assert_eq!(metadata.get("a").await.unwrap(), Some(vec![7]));
    let entry = |key: &str, value: Vec<u8>| (key.to_owned(), value);
    let listed = metadata.list("a").await.unwrap();
    assert_eq!(listed, [entry("a", vec![7]), entry("a'\u{e9}", vec![1; 100_000])]);
    assert_eq!(metadata.list("a%").await.unwrap(), [], "a prefix is not a pattern");
    assert_eq!(metadata.list("").await.unwrap().len(), 3);
    put(metadata, "a", None).await;
    put(metadata, "never there", None).await;
    assert_eq!(metadata.get("a").await.unwrap(), None);
    assert_eq!(metadata.get("A").await.unwrap(), Some(Vec::new()));
    assert_eq!(engine.bounds().await.unwrap().last, 0, "metadata is beside the log and not in it");
}

/// A key whose value differs from the expected one is not changed.
pub async fn a_swap_compares_first(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let metadata = engine.metadata();
    let one = Some(&[1][..]);
    assert!(!metadata.swap("a", one, Some(vec![2])).await.unwrap(), "there is none");
    assert!(!metadata.swap("a", Some(&[]), Some(vec![2])).await.unwrap(), "none is not empty");
    assert!(metadata.swap("a", None, Some(vec![1])).await.unwrap());
    assert!(!metadata.swap("a", None, Some(vec![2])).await.unwrap(), "there is one");
    assert!(!metadata.swap("a", Some(&[9]), None).await.unwrap());
    assert_eq!(metadata.get("a").await.unwrap(), Some(vec![1]));
    assert!(metadata.swap("a", one, None).await.unwrap());
    assert!(metadata.swap("a", None, None).await.unwrap(), "it is removed");
}

/// Of the callers that race for a key exactly one wins each time, so no value is overwritten unseen.
pub async fn a_race_of_swaps_has_one_winner(subject: &impl Subject) {
    let engine = &subject.fresh().await;
    count(&[engine.metadata()]).await;
}

/// Eight tasks increment one value, each through one of these handles.
pub(super) async fn count(handles: &[&dyn Metadata]) {
    let tasks = (0..8_usize).map(|task| async move {
        let metadata = handles[task % handles.len()];
        for _ in 0..10 {
            loop {
                let now = metadata.get("count").await.unwrap();
                let next = now.as_ref().map_or(0, |now| now[0]) + 1;
                if metadata.swap("count", now.as_deref(), Some(vec![next])).await.unwrap() {
                    // The effect of one call is visible to the next.
                    assert!(metadata.get("count").await.unwrap().unwrap()[0] >= next);
                    break;
                }
            }
        }
    });
    join_all(tasks).await;
    assert_eq!(handles[0].get("count").await.unwrap(), Some(vec![80]));
}

/// Metadata outlives the records.
pub async fn metadata_is_untouched_by_trimming(subject: &impl Subject) {
    let engine = subject.keeping(20).await;
    put(engine.metadata(), "a", Some(vec![1])).await;
    outgrow(&engine, 20).await;
    assert_eq!(engine.metadata().get("a").await.unwrap(), Some(vec![1]));
}
