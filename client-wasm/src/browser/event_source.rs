//! One `EventSource`, closed when dropped. It never reconnects by itself: it is closed upon its first error.

use js_sys::Function;
use wasm_bindgen::prelude::*;
use web_sys::{EventSource, EventSourceInit};

/// The frames with a name, and the end of the stream. (`message`, the unnamed ones, has a listener of its own.)
const NAMES: [&str; 8] = ["connected", "subscribed", "backfill", "gap", "heartbeat", "revoked", "closing", "error"];

#[derive(Debug)]
pub(crate) struct Stream {
    source: EventSource,
    on_record: Function,
    on_other: Function,
}

impl Stream {
    /// Opens one. Fails where there is no `EventSource`, or where it does not take the URL.
    pub(crate) fn open(
        url: &str,
        with_credentials: bool,
        on_record: &Function,
        on_other: &Function,
    ) -> Result<Self, JsValue> {
        let init = EventSourceInit::new();
        init.set_with_credentials(with_credentials);
        let source = EventSource::new_with_event_source_init_dict(url, &init)?;
        let stream = Self { source, on_record: on_record.clone(), on_other: on_other.clone() };
        stream.source.add_event_listener_with_callback("message", on_record)?;
        for name in NAMES {
            stream.source.add_event_listener_with_callback(name, on_other)?;
        }
        Ok(stream)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.source.close();
        // A closed source is silent by the standard; one that somebody replaced the global with may not be.
        let _ = self.source.remove_event_listener_with_callback("message", &self.on_record);
        for name in NAMES {
            let _ = self.source.remove_event_listener_with_callback(name, &self.on_other);
        }
    }
}
