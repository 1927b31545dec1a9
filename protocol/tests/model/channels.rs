//! Channels as sets: what matching is held against, here and by the fuzzer.

use tidings_protocol::Pattern;

/// A pattern as the set of channels that its words describe, segment by segment.
pub(crate) fn contains(pattern: &Pattern, channel: &Pattern) -> bool {
    let own: Vec<_> = pattern.as_str().split(':').collect();
    let other: Vec<_> = channel.as_str().split(':').collect();
    match own.split_last() {
        Some((&"*", above)) => other.len() > above.len() && other.starts_with(above),
        _ => own == other,
    }
}
