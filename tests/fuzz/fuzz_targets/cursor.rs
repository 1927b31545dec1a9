//! Cursors, timestamps, and the frames that contain them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_protocol::{Cursor, event::Timestamp, frame::Frame};

const NAMES: [&str; 11] =
    ["message", "connected", "subscribed", "backfill", "gap", "heartbeat", "presence", "revoked", "closing", "other", "polled"];

fuzz_target!(|text: &str| {
    if let Ok(cursor) = text.parse::<Cursor>() {
        assert_eq!(cursor.to_string(), text, "every cursor has exactly one text");
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        let shown = timestamp.to_string();
        assert_eq!(shown.parse::<Timestamp>().map(|again| again.to_string()).ok(), Some(shown));
    }
    if let Some((name, data)) = text.split_once('\n') {
        let index = usize::from(name.bytes().next().unwrap_or_default()) % NAMES.len();
        let _ = Frame::parse(NAMES[index], data);
    }
});
