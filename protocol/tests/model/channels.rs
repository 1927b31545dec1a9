//! Channels as sets: the model that matching is compared with, here and by the fuzzer.

use tidings_protocol::Pattern;

/// Whether a pattern, as the set of channels that it describes, contains a channel, segment by segment.
pub(crate) fn contains(pattern: &Pattern, channel: &Pattern) -> bool {
    let own: Vec<_> = pattern.as_str().split(':').collect();
    let other: Vec<_> = channel.as_str().split(':').collect();
    match own.split_last() {
        Some((&"*", above)) => other.len() > above.len() && other.starts_with(above),
        _ => own == other,
    }
}
