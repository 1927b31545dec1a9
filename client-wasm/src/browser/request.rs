//! Requests beside the stream, by `fetch`. Its promises call back into the driver by the request's number.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use super::{frames::answer, set, whole};
use crate::session::{Answer, Request};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &JsValue) -> Result<Promise, JsValue>;

    /// What `fetch` resolves to.
    #[wasm_bindgen]
    pub(crate) type Response;
    #[wasm_bindgen(method, getter, structural)]
    fn status(this: &Response) -> u16;
    #[wasm_bindgen(method, getter, structural)]
    fn headers(this: &Response) -> Headers;
    #[wasm_bindgen(method, structural, catch)]
    fn text(this: &Response) -> Result<Promise, JsValue>;

    type Headers;
    #[wasm_bindgen(method, structural)]
    fn get(this: &Headers, name: &str) -> JsValue;

    // The one below takes functions where `js_sys` takes closures, which would have to be kept for each request.
    #[wasm_bindgen(extends = Promise)]
    type Thenable;
    #[wasm_bindgen(method)]
    fn then(this: &Thenable, resolved: &Function, rejected: &Function) -> Thenable;

    /// A function that is bound to its first arguments, without the types that `js_sys` gives to that.
    #[wasm_bindgen(extends = Function)]
    type Bindable;
    #[wasm_bindgen(method, variadic)]
    fn bind(this: &Bindable, this_argument: &JsValue, arguments: &[JsValue]) -> Function;

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
}

/// Where answers are handed in: each is called with the request's number first.
#[derive(Debug)]
pub(crate) struct Replies {
    /// With the `Response`.
    pub(crate) head: Function,
    /// With the `Response` and its text.
    pub(crate) body: Function,
    /// With the error.
    pub(crate) failed: Function,
}

/// Sends a request.
pub(crate) fn send(request: &Request, with_credentials: bool, replies: &Replies) {
    let init = js_sys::Object::new();
    set(&init, "credentials", &if with_credentials { "include" } else { "same-origin" }.into());
    set(&init, "cache", &"no-store".into());
    if let Some(body) = &request.body {
        let headers = js_sys::Object::new();
        set(&headers, "content-type", &"application/json".into());
        set(&init, "method", &"POST".into());
        set(&init, "headers", &headers);
        set(&init, "body", &body.as_str().into());
    }
    let number = JsValue::from(request.number);
    let failed = bind(&replies.failed, std::slice::from_ref(&number));
    match fetch(&request.url, &init) {
        Ok(promise) => {
            promise.unchecked_into::<Thenable>().then(&bind(&replies.head, &[number]), &failed);
        }
        // Not from inside the call that wanted it sent.
        Err(_) => super::timers::queue_microtask(&failed),
    }
}

/// The head of an answer is there: asks for its body.
pub(crate) fn read(number: f64, response: &Response, replies: &Replies) {
    let number = JsValue::from(number);
    let failed = bind(&replies.failed, std::slice::from_ref(&number));
    match response.text() {
        Ok(promise) => {
            let body = bind(&replies.body, &[number, response.into()]);
            promise.unchecked_into::<Thenable>().then(&body, &failed);
        }
        Err(_) => super::timers::queue_microtask(&failed),
    }
}

fn bind(function: &Function, arguments: &[JsValue]) -> Function {
    function.unchecked_ref::<Bindable>().bind(&JsValue::NULL, arguments)
}

/// The whole answer.
pub(crate) fn finish(response: &Response, body: &JsValue) -> Answer {
    let retry_after = response.headers().get("retry-after").as_string();
    answer(response.status(), retry_after.as_deref().and_then(retry_after_ms), body)
}

/// `Retry-After`, RFC 9110 section 10.2.3: seconds, or a date.
fn retry_after_ms(header: &str) -> Option<u64> {
    if let Ok(seconds) = header.trim().parse::<u32>() {
        return Some(u64::from(seconds) * 1_000);
    }
    let date = js_sys::Date::parse(header);
    if date.is_nan() { None } else { Some(whole(date - date_now())) }
}
