//! Frames, from the browser's own JSON. Nothing is copied out of it that the session does not need.

use tidings_protocol::{Cursor, Pattern};
use wasm_bindgen::prelude::*;

use super::{field, lines, number, occasion, refusals, some_number, text, time, whole};
use crate::{
    cut::cut,
    session::{Answer, Connected, Frame, Rejected},
};

/// A place in the log.
pub(crate) fn cursor(text: &str) -> Option<Cursor> {
    text.parse().ok()
}

/// A list of channels; `None` if it is no list. What is no channel in it cannot be one of ours.
fn channels(object: &JsValue) -> Option<Vec<Pattern>> {
    let mut channels = Vec::new();
    each_line(&lines(object, "channels")?, &mut |line| channels.extend(line.parse()));
    Some(channels)
}

fn rejected(object: &JsValue) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    each_line(&refusals(object), &mut |line| {
        let (channel, code) = cut(line, b' ');
        if let Ok(channel) = channel.parse() {
            rejected.push(Rejected { channel, code: code.to_owned() });
        }
    });
    rejected
}

fn each_line(text: &str, each: &mut dyn FnMut(&str)) {
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = cut(rest, b'\n');
        each(line);
        rest = after;
    }
}

/// A control frame, by the number of its name, from its id and its data. `None` if that is not what the name promises.
pub(crate) fn control(name: u32, id: &str, data: &JsValue) -> Option<Frame> {
    let id = cursor(id);
    let word = |name| text(data, name).unwrap_or_default();
    Some(match name {
        occasion::CONNECTED => Frame::Connected(Connected {
            id,
            connection_id: text(data, "connectionId")?,
            user_id: text(data, "userId"),
            channels: channels(data)?,
            rejected: rejected(data),
            resumed: number(data, "resumed") > 0.0,
            heartbeat_ms: whole(number(data, "heartbeatMs")),
            expires_in_ms: seconds(data, "expiresIn"),
            alive_ms: whole(number(data, "aliveMs")),
            timestamp_ms: whole(time(data)),
        }),
        occasion::SUBSCRIBED => Frame::Subscribed {
            request_id: text(data, "requestId")?,
            channels: channels(data)?,
            position: cursor(&word("position")),
        },
        occasion::GAP => Frame::Gap {
            channels: if field(data, "channels").is_null() { None } else { Some(channels(data)?) },
            reason: word("reason"),
            request_id: text(data, "requestId"),
            id,
        },
        occasion::HEARTBEAT => Frame::Heartbeat { id },
        occasion::REVOKED => Frame::Revoked { channels: channels(data)?, code: word("code") },
        occasion::PRESENCE => {
            Frame::Unseen(Rejected { channel: text(data, "channel")?.parse().ok()?, code: text(data, "code")? })
        }
        occasion::CLOSING => Frame::Closing { reason: word("reason"), retry_ms: whole(number(data, "retryMs")) },
        _ => Frame::Other,
    })
}

/// The answer to a request, as `browser.js` sums it up.
pub(crate) fn answer(value: &JsValue) -> Answer {
    Answer {
        status: some_number(value, "status").and_then(|status| u16::try_from(status).ok()),
        retry_after_ms: some_number(value, "retryAfterMs"),
        code: text(value, "code"),
        detail: text(value, "detail"),
        rejected: rejected(value),
        user_id: text(value, "userId"),
        ticket: text(value, "ticket"),
        expires_in_ms: seconds(value, "expiresIn"),
    }
}

/// A number of milliseconds, from seconds.
fn seconds(object: &JsValue, name: &str) -> Option<u64> {
    some_number(object, name).map(|seconds| seconds.saturating_mul(1_000))
}
