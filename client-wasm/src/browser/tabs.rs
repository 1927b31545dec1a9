//! The interface between the driver and the other tabs. The work is done in `tabs.js`.

use wasm_bindgen::prelude::*;

use super::Browser;

#[wasm_bindgen(module = "/src/tabs.js")]
extern "C" {
    /// The other tabs, for one driver.
    pub(crate) type Tabs;
    /// The tabs that use this version.
    pub(crate) fn among(browser: &Browser, callback: &JsValue, version: u32, url: &str, with_credentials: bool)
    -> Tabs;
    #[wasm_bindgen(method)]
    pub(crate) fn enter(this: &Tabs, device: &str, tab: &str, user: Option<&str>);
    #[wasm_bindgen(method)]
    pub(crate) fn exit(this: &Tabs);
    #[wasm_bindgen(method)]
    pub(crate) fn steal(this: &Tabs);
    #[wasm_bindgen(method)]
    pub(crate) fn watch(this: &Tabs, tab: &str);
    #[wasm_bindgen(method)]
    pub(crate) fn post(this: &Tabs, message: &str, with_frame: bool);

    #[wasm_bindgen(js_name = canShare)]
    pub(crate) fn can_share() -> bool;
}
