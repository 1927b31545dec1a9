//! The browser, as thin as it gets: what the driver needs of it, and nothing that decides anything.
//!
//! Bindings are written out where `web-sys` would bring more than is used, and so that they work in any global scope: a
//! page, a worker, a test.

pub(crate) mod event_source;
pub(crate) mod frames;
pub(crate) mod request;
pub(crate) mod storage;
pub(crate) mod timers;
pub(crate) mod world;

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    pub(crate) fn parse_json(text: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(crate) fn console_error(what: &JsValue);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Milliseconds on a clock that is never set back.
pub(crate) fn now() -> u64 {
    whole(performance_now())
}

/// A number from JavaScript; what is none, or below 0, is 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// Sets a property of an object of our own, which cannot fail.
pub(crate) fn set(object: &JsValue, name: &str, value: &JsValue) {
    // The answer could only be an exception of a setter or proxy.
    let _ = js_sys::Reflect::set(object, &name.into(), value);
}
