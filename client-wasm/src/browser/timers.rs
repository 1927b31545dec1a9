//! The one timer of a client, and the end of a microtask.

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

use super::Function;

/// The longest delay; a longer one would wrap around and fire at once.
const LONGEST_MS: u64 = 0x7fff_ffff;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = queueMicrotask)]
    pub(crate) fn queue_microtask(callback: &Function);

    // The id is a number in browsers and an object in Node.
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: f64) -> JsValue;

    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
}

/// A timer that is armed for one moment at most, and disarmed when dropped.
#[derive(Debug, Default)]
pub(crate) struct Timer(RefCell<Option<(u64, JsValue)>>);

impl Timer {
    /// Arms it for this moment, or disarms it. It may fire early, if the moment is weeks away.
    pub(crate) fn arm(&self, at: Option<u64>, now: u64, callback: &Function) {
        let mut armed = self.0.borrow_mut();
        if armed.as_ref().map(|(at, _)| *at) == at {
            return;
        }
        if let Some((_, id)) = armed.take() {
            clear_timeout(&id);
        }
        if let Some(at) = at {
            let ms = at.saturating_sub(now).min(LONGEST_MS);
            *armed = Some((at, set_timeout(callback, f64::from(u32::try_from(ms).unwrap_or(u32::MAX)))));
        }
    }

    /// It has fired.
    pub(crate) fn fired(&self) {
        self.0.borrow_mut().take();
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some((_, id)) = self.0.get_mut().take() {
            clear_timeout(&id);
        }
    }
}
