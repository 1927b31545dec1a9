//! What befalls the page: the network comes back, the tab is shown, the page enters or leaves the back/forward cache.

use wasm_bindgen::prelude::*;

use super::{Function, get};

/// Of a window, or of a worker (which hears of the first alone); and the last of a document.
const NAMES: [&str; 4] = ["online", "pagehide", "pageshow", "visibilitychange"];

#[wasm_bindgen]
extern "C" {
    /// Whatever has listeners.
    #[derive(Debug, Clone)]
    pub(crate) type EventTarget;
    #[wasm_bindgen(method, js_name = addEventListener, structural, catch)]
    pub(crate) fn add(this: &EventTarget, name: &str, callback: &Function) -> Result<(), JsValue>;
    #[wasm_bindgen(method, js_name = removeEventListener, structural, catch)]
    pub(crate) fn remove(this: &EventTarget, name: &str, callback: &Function) -> Result<(), JsValue>;

    #[wasm_bindgen(thread_local_v2, js_name = globalThis)]
    static GLOBAL: JsValue;
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Happening {
    Online,
    Hidden,
    Shown,
    Suspended,
    Resumed,
}

impl Happening {
    /// Reads an `Event`.
    pub(crate) fn of(event: &JsValue) -> Self {
        match &*get(event, "type").as_string().unwrap_or_default() {
            "online" => Self::Online,
            "pagehide" => Self::Suspended,
            "pageshow" => Self::Resumed,
            _ if get(&get(event, "target"), "hidden").is_falsy() => Self::Shown,
            _ => Self::Hidden,
        }
    }
}

/// Listens until dropped. Where there is nothing to listen to (Node), it hears nothing.
#[derive(Debug)]
pub(crate) struct World(Function);

impl World {
    pub(crate) fn listen(callback: Function) -> Self {
        let world = Self(callback);
        world.change(EventTarget::add);
        world
    }

    fn change(&self, change: fn(&EventTarget, &str, &Function) -> Result<(), JsValue>) {
        GLOBAL.with(|global| {
            let document = get(global, "document");
            for name in NAMES {
                let target = if name == "visibilitychange" { &document } else { global };
                // What is missing cannot be listened to.
                let _ = change(target.unchecked_ref(), name, &self.0);
            }
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.change(EventTarget::remove);
    }
}
