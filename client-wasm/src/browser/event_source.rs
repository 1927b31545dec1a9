//! One `EventSource`, closed when dropped. It never reconnects by itself: it is closed upon its first error.

use wasm_bindgen::prelude::*;

use super::{Function, literal, world::EventTarget};

/// The frames with a name, and the end of the stream. (`message`, the unnamed ones, has a listener of its own.)
const NAMES: [&str; 8] = ["connected", "subscribed", "backfill", "gap", "heartbeat", "revoked", "closing", "error"];

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = EventTarget)]
    #[derive(Debug)]
    type EventSource;
    #[wasm_bindgen(constructor, catch)]
    fn new(url: &str, init: &JsValue) -> Result<EventSource, JsValue>;
    #[wasm_bindgen(method)]
    fn close(this: &EventSource);
}

/// An open stream and its listeners.
#[derive(Debug)]
pub(crate) struct Stream {
    source: EventSource,
    on_record: Function,
    on_control: Function,
}

impl Stream {
    /// Opens one. Fails where there is no `EventSource`, or where it does not take the URL.
    pub(crate) fn open(
        url: &str,
        with_credentials: bool,
        on_record: Function,
        on_control: Function,
    ) -> Result<Self, JsValue> {
        let init = if with_credentials { r#"{"withCredentials":true}"# } else { "{}" };
        let source = EventSource::new(url, &literal(init))?;
        let stream = Self { source, on_record, on_control };
        stream.listen(EventTarget::add);
        Ok(stream)
    }

    fn listen(&self, change: fn(&EventTarget, &str, &Function) -> Result<(), JsValue>) {
        // The two methods of an `EventSource` do not fail.
        let _ = change(&self.source, "message", &self.on_record);
        for name in NAMES {
            let _ = change(&self.source, name, &self.on_control);
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
        // A closed source is silent by the standard; one that somebody replaced the global with may not be.
        self.listen(EventTarget::remove);
    }
}
