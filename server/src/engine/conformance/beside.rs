//! The metadata beside the log.

use super::{Subject, entries::outgrow};
use crate::engine::Engine;

/// A value is there until it is replaced or removed, and keys are apart.
pub async fn metadata_keeps_values_by_key(subject: &impl Subject) {
    let engine = subject.fresh().await;
    let metadata = engine.metadata();
    assert_eq!(metadata.get("a").await.unwrap(), None);
    metadata.put("a", Some(vec![0, 255])).await.unwrap();
    metadata.put("A", Some(Vec::new())).await.unwrap();
    metadata.put("a'\u{e9}", Some(vec![1; 100_000])).await.unwrap();
    assert_eq!(metadata.get("a").await.unwrap(), Some(vec![0, 255]));
    assert_eq!(metadata.get("A").await.unwrap(), Some(Vec::new()));
    assert_eq!(metadata.get("a'\u{e9}").await.unwrap(), Some(vec![1; 100_000]));
    metadata.put("a", Some(vec![7])).await.unwrap();
    assert_eq!(metadata.get("a").await.unwrap(), Some(vec![7]));
    let entry = |key: &str, value: Vec<u8>| (key.to_owned(), value);
    let listed = metadata.list("a").await.unwrap();
    assert_eq!(listed, [entry("a", vec![7]), entry("a'\u{e9}", vec![1; 100_000])]);
    assert_eq!(metadata.list("a%").await.unwrap(), [], "a prefix is no pattern");
    assert_eq!(metadata.list("").await.unwrap().len(), 3);
    metadata.put("a", None).await.unwrap();
    metadata.put("never there", None).await.unwrap();
    assert_eq!(metadata.get("a").await.unwrap(), None);
    assert_eq!(metadata.get("A").await.unwrap(), Some(Vec::new()));
    assert_eq!(engine.bounds().await.unwrap().last, 0, "it is beside the log, not in it");
}

/// It outlives the records.
pub async fn metadata_is_untouched_by_trimming(subject: &impl Subject) {
    let engine = subject.keeping(20).await;
    engine.metadata().put("a", Some(vec![1])).await.unwrap();
    outgrow(&engine, 20).await;
    assert_eq!(engine.metadata().get("a").await.unwrap(), Some(vec![1]));
}
