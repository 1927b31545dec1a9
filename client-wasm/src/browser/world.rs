//! What befalls the page: the network comes back, the tab is shown, the page enters or leaves the back/forward cache.

use js_sys::Function;
use wasm_bindgen::prelude::*;

/// Of the global scope: a window's, or a worker's (which hears of the first alone).
const GLOBAL: [&str; 3] = ["online", "pagehide", "pageshow"];

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = addEventListener, catch)]
    fn add(name: &str, callback: &Function) -> Result<(), JsValue>;
    #[wasm_bindgen(js_name = removeEventListener, catch)]
    fn remove(name: &str, callback: &Function) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = document, js_name = addEventListener, catch)]
    fn add_to_document(name: &str, callback: &Function) -> Result<(), JsValue>;
    #[wasm_bindgen(js_namespace = document, js_name = removeEventListener, catch)]
    fn remove_from_document(name: &str, callback: &Function) -> Result<(), JsValue>;

    /// An `Event` of one of these.
    pub(crate) type Happening;
    #[wasm_bindgen(method, getter, structural, js_name = type)]
    pub(crate) fn name(this: &Happening) -> String;
    #[wasm_bindgen(method, getter, structural)]
    fn target(this: &Happening) -> JsValue;

    type Document;
    #[wasm_bindgen(method, getter, structural)]
    fn hidden(this: &Document) -> JsValue;
}

impl Happening {
    /// Of `visibilitychange`: whether the tab is shown now.
    pub(crate) fn is_shown(&self) -> bool {
        let document = self.target();
        document.is_object() && document.unchecked_into::<Document>().hidden().is_falsy()
    }
}

/// Listens until dropped. Where there is nothing to listen to (Node), it hears nothing.
#[derive(Debug)]
pub(crate) struct World(Function);

impl World {
    pub(crate) fn listen(callback: &Function) -> Self {
        for name in GLOBAL {
            let _ = add(name, callback);
        }
        let _ = add_to_document("visibilitychange", callback);
        Self(callback.clone())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in GLOBAL {
            let _ = remove(name, &self.0);
        }
        let _ = remove_from_document("visibilitychange", &self.0);
    }
}
