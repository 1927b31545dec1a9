//! The browser, as thin as it gets: what the driver needs of it, and nothing that decides anything.
//!
//! The bindings are written out here, few and general: each one costs the page some 150 bytes. They work in any global
//! scope: a page's, a worker's, a test's. `js-sys` and `web-sys` are left out: linking the former alone brings its executor
//! for futures, which would be a fifth of all.

pub(crate) mod callback;
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
    fn parse_text(text: &str) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse_value(text: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = console, js_name = error)]
    pub(crate) fn console_error(what: &JsValue);

    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    /// A function of JavaScript's.
    #[derive(Debug, Clone)]
    pub(crate) type Function;

    /// An array of JavaScript's.
    pub(crate) type Array;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> Array;
    #[wasm_bindgen(method)]
    pub(crate) fn push(this: &Array, value: &JsValue);
    #[wasm_bindgen(method)]
    fn at(this: &Array, index: u32) -> JsValue;

    /// A map of JavaScript's.
    pub(crate) type Map;
    #[wasm_bindgen(constructor)]
    pub(crate) fn new() -> Map;
    #[wasm_bindgen(method, js_name = get)]
    pub(crate) fn find(this: &Map, key: &JsValue) -> JsValue;
    #[wasm_bindgen(method, js_name = set)]
    pub(crate) fn insert(this: &Map, key: &JsValue, value: u32);
    #[wasm_bindgen(method)]
    pub(crate) fn clear(this: &Map);

    #[wasm_bindgen(js_namespace = Reflect, js_name = get)]
    fn reflect_get(object: &JsValue, name: &str) -> JsValue;
    #[wasm_bindgen(js_namespace = Reflect, js_name = set)]
    pub(crate) fn set(object: &JsValue, name: &str, value: &JsValue);
}

/// A field; `undefined` of what is no object.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    if object.is_object() { reflect_get(object, name) } else { JsValue::UNDEFINED }
}

/// The elements of an array; of what is none, none.
pub(crate) fn elements(array: &JsValue) -> impl Iterator<Item = JsValue> {
    let length = if array.is_array() { whole(get(array, "length").as_f64().unwrap_or_default()) } else { 0 };
    let array: &Array = array.unchecked_ref();
    (0..u32::try_from(length).unwrap_or_default()).map(|index| array.at(index))
}

/// An object of our own, written as JSON.
pub(crate) fn literal(json: &str) -> JsValue {
    parse_text(json).unwrap_or_default()
}

/// Reads JSON that must be an object.
pub(crate) fn parse_object(text: &JsValue) -> Option<JsValue> {
    parse_value(text).ok().filter(JsValue::is_object)
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
