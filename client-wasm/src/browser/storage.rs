//! Who this browser and this tab are.

use tidings_protocol::DeviceId;
use wasm_bindgen::prelude::*;

/// Where the device id is kept.
const KEY: &str = "tidings.deviceId";

#[wasm_bindgen]
extern "C" {
    // Both throw where storage is refused, and where there is none.
    #[wasm_bindgen(js_namespace = localStorage, js_name = getItem, catch)]
    fn get_item(key: &str) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(js_namespace = localStorage, js_name = setItem, catch)]
    fn set_item(key: &str, value: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]);
}

/// The browser profile's id: the stored one, or a new one, which lives as long as the page where storage is refused.
pub(crate) fn device_id() -> String {
    // Anybody can write to the page's storage; what could not stand in a header is as good as nothing.
    if let Ok(Some(stored)) = get_item(KEY)
        && DeviceId::new(&stored).is_ok()
    {
        return stored;
    }
    let made = random_id();
    let _ = set_item(KEY, &made);
    made
}

/// 128 random bits. (`crypto.randomUUID` exists only on secure pages.)
pub(crate) fn random_id() -> String {
    let mut id = String::with_capacity(32);
    for byte in random::<16>() {
        for digit in [byte >> 4, byte & 15] {
            id.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    id
}

/// A seed for the session's waits.
pub(crate) fn random_seed() -> u64 {
    u64::from_le_bytes(random())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    get_random_values(&mut bytes);
    bytes
}
