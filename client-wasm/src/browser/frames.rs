//! Frames, from the browser's own JSON. Nothing is copied out of it that the session does not need.

use tidings_protocol::{Cursor, Pattern};
use wasm_bindgen::prelude::*;

use super::{elements, get, parse_object, whole};
use crate::session::{Answer, Connected, Frame, Rejected};

#[wasm_bindgen]
extern "C" {
    // What every event is asked has bindings of its own, for speed. Every field is a `JsValue`: whatever the server
    // sends, reading it must not throw.

    /// A `MessageEvent`.
    type Message;
    #[wasm_bindgen(method, getter, structural)]
    fn data(this: &Message) -> JsValue;

    /// A record: an object, whatever is in it.
    #[derive(Debug)]
    pub(crate) type Record;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn channel(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn position(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn to(this: &Record) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn except(this: &Record) -> JsValue;
}

impl Record {
    /// From a `MessageEvent`; `None` if its data is no object.
    pub(crate) fn of(message: &JsValue) -> Option<Self> {
        parse_object(&message.unchecked_ref::<Message>().data()).map(JsCast::unchecked_into)
    }

    /// Its place in the log.
    pub(crate) fn cursor(&self) -> Option<Cursor> {
        cursor(&self.position())
    }
}

fn cursor(value: &JsValue) -> Option<Cursor> {
    value.as_string()?.parse().ok()
}

fn text(object: &JsValue, name: &str) -> String {
    get(object, name).as_string().unwrap_or_default()
}

fn number(object: &JsValue, name: &str) -> u64 {
    whole(get(object, name).as_f64().unwrap_or_default())
}

/// A list of channels; `None` if it is no list. What is no channel in it cannot be one of ours.
fn channels(object: &JsValue) -> Option<Vec<Pattern>> {
    let list = get(object, "channels");
    if !list.is_array() {
        return None;
    }
    let mut channels = Vec::new();
    for one in elements(&list) {
        if let Ok(channel) = one.as_string().unwrap_or_default().parse() {
            channels.push(channel);
        }
    }
    Some(channels)
}

fn rejected(object: &JsValue) -> Vec<Rejected> {
    let mut rejected = Vec::new();
    for one in elements(&get(object, "rejected")) {
        if let Ok(channel) = text(&one, "channel").parse() {
            rejected.push(Rejected { channel, code: text(&one, "code") });
        }
    }
    rejected
}

/// A control frame, from a `MessageEvent`. `None` if its data is not what its name promises.
pub(crate) fn control(name: &str, message: &JsValue) -> Option<Frame> {
    let id = cursor(&get(message, "lastEventId"));
    if name == "heartbeat" {
        return Some(Frame::Heartbeat { id });
    }
    let data = &parse_object(&get(message, "data"))?;
    Some(match name {
        "connected" => Frame::Connected(Connected {
            id,
            connection_id: get(data, "connectionId").as_string()?,
            user_id: get(data, "userId").as_string(),
            channels: channels(data)?,
            rejected: rejected(data),
            resumed: get(data, "resumed").is_truthy(),
            heartbeat_ms: number(data, "heartbeatMs"),
        }),
        "subscribed" => Frame::Subscribed {
            request_id: get(data, "requestId").as_string()?,
            channels: channels(data)?,
            position: cursor(&get(data, "position")),
        },
        "gap" => {
            let channels = if get(data, "channels").is_null() { None } else { Some(channels(data)?) };
            Frame::Gap { channels, reason: text(data, "reason"), request_id: get(data, "requestId").as_string(), id }
        }
        "revoked" => Frame::Revoked { channels: channels(data)?, code: text(data, "code") },
        "closing" => Frame::Closing { reason: text(data, "reason"), retry_ms: number(data, "retryMs") },
        _ => Frame::Other,
    })
}

/// The answer to a request, from its status, its `Retry-After` in milliseconds, and its body.
pub(crate) fn answer(status: u64, retry_after_ms: Option<u64>, body: &JsValue) -> Answer {
    // A proxy's page, say, is no JSON: then the status has to do.
    let body = &parse_object(body).unwrap_or_default();
    Answer {
        status: u16::try_from(status).ok(),
        retry_after_ms,
        code: get(body, "code").as_string(),
        detail: get(body, "detail").as_string(),
        rejected: rejected(body),
    }
}
