//! Requests beside the stream, by `fetch`. Its promises call back by the request's number.

use wasm_bindgen::prelude::*;

use super::{
    Function,
    callback::{Callback, Occasion},
    frames::answer,
    get, literal, set,
    timers::queue_microtask,
    whole,
};
use crate::session::{Answer, Request};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch)]
    fn fetch(url: &str, init: &JsValue) -> Result<Thenable, JsValue>;

    /// A promise.
    type Thenable;
    #[wasm_bindgen(method)]
    fn then(this: &Thenable, resolved: &Function, rejected: &Function) -> Thenable;

    /// What `fetch` resolves to.
    type Response;
    #[wasm_bindgen(method, structural, catch)]
    fn text(this: &Response) -> Result<Thenable, JsValue>;

    type Headers;
    #[wasm_bindgen(method, structural, js_name = get)]
    fn header(this: &Headers, name: &str) -> JsValue;

    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn date_now() -> f64;
    #[wasm_bindgen(js_namespace = Date, js_name = parse)]
    fn date_parse(text: &str) -> f64;
}

/// Sends a request.
pub(crate) fn send(request: &Request, with_credentials: bool, callback: &Callback) {
    let init = literal(match &request.body {
        Some(_) => r#"{"cache":"no-store","method":"POST","headers":{"content-type":"application/json"}}"#,
        None => r#"{"cache":"no-store"}"#,
    });
    if with_credentials {
        set(&init, "credentials", &"include".into());
    }
    if let Some(body) = &request.body {
        set(&init, "body", &body.as_str().into());
    }
    wait(fetch(&request.url, &init), Occasion::Head, request.number, &JsValue::UNDEFINED, callback);
}

/// The head of an answer is there: asks for its body.
pub(crate) fn read(number: u32, response: &JsValue, callback: &Callback) {
    wait(response.unchecked_ref::<Response>().text(), Occasion::Body, number, response, callback);
}

fn wait(promise: Result<Thenable, JsValue>, next: Occasion, number: u32, subject: &JsValue, callback: &Callback) {
    let failed = callback.about(Occasion::Failed, number, subject);
    match promise {
        Ok(promise) => drop(promise.then(&callback.about(next, number, subject), &failed)),
        // Not from inside the call that wanted it sent.
        Err(_) => queue_microtask(&failed),
    }
}

/// The whole answer.
pub(crate) fn finish(response: &JsValue, body: &JsValue) -> Answer {
    let headers: Headers = get(response, "headers").unchecked_into();
    let retry_after_ms = headers.header("retry-after").as_string().map(|header| {
        // RFC 9110 section 10.2.3: seconds, or a date.
        match header.trim().parse::<u32>() {
            Ok(seconds) => u64::from(seconds) * 1_000,
            Err(_) => whole(date_parse(&header) - date_now()),
        }
    });
    answer(whole(get(response, "status").as_f64().unwrap_or_default()), retry_after_ms, body)
}
