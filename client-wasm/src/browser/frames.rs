//! Frames, from the browser's own JSON. Nothing is copied out of it that the session does not need.

use tidings_protocol::{Cursor, Pattern};
use wasm_bindgen::prelude::*;

use super::{parse_json, whole};
use crate::session::{Answer, Connected, Frame, Rejected};

#[wasm_bindgen]
extern "C" {
    /// A `MessageEvent`, or the `Event` of an error.
    pub(crate) type Message;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn data(this: &Message) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = type)]
    pub(crate) fn name(this: &Message) -> String;
    #[wasm_bindgen(method, getter, structural, js_name = lastEventId)]
    fn last_event_id(this: &Message) -> JsValue;

    /// A JSON object. Every field is a `JsValue`: whatever the server sends, reading it must not throw.
    pub(crate) type Data;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn channel(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn position(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn to(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    pub(crate) fn except(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = requestId)]
    pub(crate) fn request_id(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = userId)]
    pub(crate) fn user_id(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = sessionId)]
    pub(crate) fn session_id(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = deviceId)]
    pub(crate) fn device_id(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = connectionId)]
    fn connection_id(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn channels(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn rejected(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn resumed(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = heartbeatMs)]
    fn heartbeat_ms(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn reason(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural, js_name = retryMs)]
    fn retry_ms(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn code(this: &Data) -> JsValue;
    #[wasm_bindgen(method, getter, structural)]
    fn detail(this: &Data) -> JsValue;
}

/// Reads JSON that must be an object.
pub(crate) fn object(text: &JsValue) -> Option<Data> {
    parse_json(text).ok().and_then(as_object)
}

/// The object in a field.
pub(crate) fn as_object(value: JsValue) -> Option<Data> {
    value.is_object().then(|| value.unchecked_into())
}

/// A cursor, where there is one.
pub(crate) fn cursor(value: &JsValue) -> Option<Cursor> {
    value.as_string()?.parse().ok()
}

fn text(value: &JsValue) -> String {
    value.as_string().unwrap_or_default()
}

fn number(value: &JsValue) -> u64 {
    whole(value.as_f64().unwrap_or_default())
}

/// A list of channels; `None` if it is no list. What is no channel in it cannot be one of ours.
fn list(value: JsValue) -> Option<Vec<Pattern>> {
    let array = value.dyn_into::<js_sys::Array>().ok()?;
    Some(array.iter().filter_map(|one| one.as_string()?.parse().ok()).collect())
}

fn rejections(value: JsValue) -> Vec<Rejected> {
    let Ok(array) = value.dyn_into::<js_sys::Array>() else { return Vec::new() };
    let one = |value| {
        let one = as_object(value)?;
        Some(Rejected { channel: one.channel().as_string()?.parse().ok()?, code: text(&one.code()) })
    };
    array.iter().filter_map(one).collect()
}

/// A control frame. `None` if its data is not what its name promises.
pub(crate) fn control(name: &str, message: &Message) -> Option<Frame> {
    if name == "heartbeat" {
        return Some(Frame::Heartbeat { id: cursor(&message.last_event_id()) });
    }
    let data = object(&message.data())?;
    Some(match name {
        "connected" => Frame::Connected(Connected {
            id: cursor(&message.last_event_id()),
            connection_id: data.connection_id().as_string()?,
            user_id: data.user_id().as_string(),
            channels: list(data.channels())?,
            rejected: rejections(data.rejected()),
            resumed: data.resumed().is_truthy(),
            heartbeat_ms: number(&data.heartbeat_ms()),
        }),
        "subscribed" => Frame::Subscribed {
            request_id: data.request_id().as_string()?,
            channels: list(data.channels())?,
            position: cursor(&data.position()),
        },
        "gap" => {
            let channels = data.channels();
            let channels = if channels.is_null() { None } else { Some(list(channels)?) };
            Frame::Gap { channels, reason: text(&data.reason()), id: cursor(&message.last_event_id()) }
        }
        "revoked" => Frame::Revoked { channels: list(data.channels())?, code: text(&data.code()) },
        "closing" => Frame::Closing { reason: text(&data.reason()), retry_ms: number(&data.retry_ms()) },
        _ => Frame::Other,
    })
}

/// The answer to a request, from its status, its `Retry-After` in milliseconds, and its body.
pub(crate) fn answer(status: u16, retry_after_ms: Option<u64>, body: &JsValue) -> Answer {
    let mut answer = Answer { status: Some(status), retry_after_ms, ..Answer::default() };
    // A proxy's page, say, is no JSON: then the status has to do.
    if let Some(body) = object(body) {
        answer.code = body.code().as_string();
        answer.detail = body.detail().as_string();
        answer.rejected = rejections(body.rejected());
    }
    answer
}
