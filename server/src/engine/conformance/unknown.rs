//! Entries of newer versions.

use super::{
    Unknown,
    entries::{append, base, entries, entry_with_key, everything, take},
};
use crate::{engine::Engine, record::Audience};

/// A record that this version cannot read is void in reads and tails. It keeps its number and its key, and is filed
/// under no routing key.
pub async fn an_entry_of_a_newer_version_is_void(subject: &impl Unknown) {
    let engine = subject.fresh().await;
    let mut tail = engine.tail(base(&engine).await);
    append(&engine, &entries(1)).await;
    let newer = r#"{"v":1000,"key":"newer","timestamp":"2100-01-01T00:00:00.000Z","audience":{"moon":7},"tides":[1]}"#;
    subject.append_bytes(&engine, "newer", newer.as_bytes()).await;
    append(&engine, &entries(1)).await;
    for records in [everything(&engine).await, take(&mut tail, 3).await] {
        let audiences: Vec<_> = records.iter().map(|record| &record.entry.audience).collect();
        assert_eq!(audiences, [&Audience::Channel, &Audience::Void, &Audience::Channel]);
        assert_eq!(records[1].entry.key.as_str(), "newer");
        assert!(records[1].entry.routing_keys().is_empty());
    }
    let again = append(&engine, &[entry_with_key("newer", "1")]).await;
    assert_eq!((again[0].duplicate, again[0].cursor.seq), (true, 2));
}
