//! The interface between the driver and the browser. The work is done in `browser.js`; this file has the bindings.
//!
//! The npm package's code uses `wasm-bindgen` where it can, and nothing of `js-sys`, `web-sys`, `gloo-timers` and
//! `serde-wasm-bindgen`, because each of them costs a page more than the allowed third of a kilobyte (gzip). The cost
//! of each is noted where its work is done by hand. The interface for Rust (`typed`) uses them in its own code.

pub(crate) mod batch;
pub(crate) mod tabs;

use wasm_bindgen::prelude::*;

/// The function that the browser calls: with a signal (one of the [`signals`](crate::codec::signals)), a number, the
/// time, a text and a value. Returns whether it could read the value.
pub(crate) type Callback = Closure<dyn Fn(u32, u32, f64, String, JsValue) -> bool>;

#[wasm_bindgen(module = "/src/browser.js")]
extern "C" {
    /// The browser of one driver.
    pub(crate) type Browser;
    pub(crate) fn attach(
        callback: &JsValue,
        token: &JsValue,
        with_credentials: bool,
        by_fetch: bool,
        agreed: &JsValue,
    ) -> Browser;
    #[wasm_bindgen(method)]
    pub(crate) fn open(this: &Browser, url: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn close(this: &Browser);
    #[wasm_bindgen(method)]
    pub(crate) fn send(this: &Browser, ask: u32, number: u32, url: &str, body: Option<&str>);
    /// The one timer. `gloo-timers` would cost 0.9 KB: a closure for each time that it is set, which has to be freed.
    #[wasm_bindgen(method)]
    pub(crate) fn arm(this: &Browser, at: f64);
    #[wasm_bindgen(method)]
    pub(crate) fn flush(this: &Browser);
    #[wasm_bindgen(method)]
    pub(crate) fn listen(this: &Browser, on: bool);
    #[wasm_bindgen(method)]
    pub(crate) fn remember(this: &Browser, signal: u32, record: &JsValue, route: u32);
    #[wasm_bindgen(method)]
    pub(crate) fn forget(this: &Browser);
    /// Passes a frame in as an `EventSource` would.
    #[wasm_bindgen(method)]
    pub(crate) fn dispatch(this: &Browser, name: &[u8], data: &[u8], id: &[u8]);
    /// Marks this event as the one being read.
    #[wasm_bindgen(method)]
    pub(crate) fn hold(this: &Browser, data: &[u8]);
    /// Passes in a frame that came from another tab, with this `id:`, and as the answer to this call if it is an event
    /// of the past.
    #[wasm_bindgen(method)]
    pub(crate) fn relayed(this: &Browser, id: &str, call: Option<&str>);
    #[wasm_bindgen(method)]
    pub(crate) fn end(this: &Browser);

    /// The time, on a clock that is never set back. With `web-sys` this and the timer together would cost 1.6 KB.
    #[wasm_bindgen(method)]
    pub(crate) fn now(this: &Browser) -> f64;
    #[wasm_bindgen(method)]
    pub(crate) fn seed(this: &Browser) -> u64;

    /// Whether streams are read with `fetch`, if the option allows it.
    #[wasm_bindgen(js_name = byFetch)]
    pub(crate) fn by_fetch(transport: &JsValue) -> bool;
    /// Copies the bytes of a chunk. With `js-sys` this and `item` together would cost 0.6 KB.
    pub(crate) fn copy(chunk: &JsValue, into: &mut [u8]);
    /// Reads an object; `undefined` if the text contains none.
    #[wasm_bindgen(js_name = objectOf)]
    pub(crate) fn parse(text: &[u8]) -> JsValue;
    /// Reads a list of this length; `undefined` if the text contains none.
    #[wasm_bindgen(js_name = list)]
    pub(crate) fn parse_list(text: &[u8], length: u32) -> JsValue;
    pub(crate) fn item(list: &JsValue, index: u32) -> JsValue;
    /// When the server accepted a record, by its clock; `NaN` without a time.
    pub(crate) fn time(object: &JsValue) -> f64;

    #[wasm_bindgen(js_name = isElsewhere)]
    pub(crate) fn is_elsewhere(url: &str) -> bool;
}

#[cfg(feature = "typed")]
#[wasm_bindgen(module = "/src/device.js")]
extern "C" {
    /// The device id, as far as this tab knows it.
    #[wasm_bindgen(js_name = deviceId)]
    pub(crate) fn device_id() -> String;
    /// A promise of the device id on which all tabs agree.
    #[wasm_bindgen(js_name = agreedDeviceId)]
    pub(crate) fn agreed_device_id() -> JsValue;
    #[wasm_bindgen(js_name = randomId)]
    pub(crate) fn random_id() -> String;
}

/// The route of a record whose channel has not been looked up.
pub(crate) const UNKNOWN: u32 = u32::MAX;

/// A number from JavaScript; a value that is no number, or is below 0, becomes 0.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
pub(crate) fn whole(number: f64) -> u64 {
    number as u64
}

/// A share, from 0 to 1, as a part of 2³².
#[cfg(feature = "typed")]
pub(crate) fn share(share: f64) -> u64 {
    whole(share * 4_294_967_296.0)
}
