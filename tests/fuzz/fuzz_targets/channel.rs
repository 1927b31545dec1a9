//! Channels and patterns, parsed from texts and compared with sets of channels.
#![no_main]

#[path = "../../protocol/tests/model/channels.rs"]
mod channel_model;

use channel_model::contains;
use libfuzzer_sys::fuzz_target;
use tidings_protocol::{
    Channel, DeviceId, EventType, Key, Pattern, RequestId, SessionId, UserId, channel::MAX_BYTES, segment,
};

fuzz_target!(|text: &str| {
    let mut texts = text.split('\n');
    let (first, second) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
    let patterns = [first, second].map(|text| {
        let pattern = text.parse::<Pattern>().ok();
        if let Some(pattern) = &pattern {
            assert_eq!(pattern.as_str(), text);
            assert!(text.len() <= MAX_BYTES);
            assert_eq!(pattern.is_channel(), text.parse::<Channel>().is_ok());
            assert!(pattern.covers(pattern) && pattern.overlaps(pattern));
        } else {
            assert!(text.parse::<Channel>().is_err());
        }
        pattern
    });
    if let [Some(a), Some(b)] = &patterns {
        assert_eq!(a.overlaps(b), b.overlaps(a));
        assert!(!a.covers(b) || a.overlaps(b));
        if b.is_channel() {
            assert_eq!(a.covers(b), contains(a, b));
            assert_eq!(a.overlaps(b), contains(a, b));
        }
    }
    let one = segment(text);
    if let Ok(channel) = one.parse::<Channel>() {
        assert!(!channel.as_str().contains([':', '*']));
    } else {
        assert!(one.is_empty() || one.len() > MAX_BYTES);
    }
    for (read, text) in [
        (UserId::new(text).map(|id| id.to_string()), text),
        (DeviceId::new(text).map(|id| id.to_string()), text),
        (SessionId::new(text).map(|id| id.to_string()), text),
        (RequestId::new(text).map(|id| id.to_string()), text),
        (Key::new(text).map(|id| id.to_string()), text),
        (EventType::new(text).map(|id| id.to_string()), text),
    ] {
        if let Ok(read) = read {
            assert_eq!(read, text);
            assert!(!read.is_empty() && read.len() <= 128 && !read.chars().any(char::is_control));
        }
    }
});
