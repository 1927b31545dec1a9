//! The client in a real browser, with an EventSource and a `fetch` whose server is the test (`fakes.js`).
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen::prelude::wasm_bindgen(module = "/tests/fakes.js")]
extern "C" {
    /// Makes `globalThis.fakes` be there.
    fn load();
}

/// The surface towards JavaScript. The tests are written in JavaScript, in `surface.js`, each under the same name.
mod surface {
    use js_sys::{Object, Reflect};
    use wasm_bindgen::prelude::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The exported class.
    fn class() -> JsValue {
        let options = Object::new();
        Reflect::set(&options, &"url".into(), &"/e".into()).unwrap();
        let client = tidings_client::Client::new(options.unchecked_ref()).unwrap();
        Reflect::get(&client.into(), &"constructor".into()).unwrap()
    }

    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[wasm_bindgen_test]
            async fn $name() {
                #[wasm_bindgen(module = "/tests/surface.js")]
                extern "C" {
                    #[wasm_bindgen(catch, js_name = $name)]
                    async fn test(class: &JsValue) -> Result<JsValue, JsValue>;
                }
                super::load();
                test(&class()).await.unwrap();
            }
        )*};
    }

    tests! {
        first_handlers_connect
        a_throwing_callback_harms_nobody
        an_error_callback_that_throws_harms_nobody
        callbacks_may_call_anything
        what_a_callback_causes_comes_after_what_was_decided_before_it
        a_live_subscription_is_posted_and_confirmed_in_the_stream
        a_refused_channel_is_told
        leaving_is_batched_and_posted
        a_gap_is_told_to_all_and_to_those_it_concerns
        a_failed_connect_is_diagnosed
        a_refusal_is_tried_slowly_and_says_its_own_code
        a_fetch_that_throws_is_a_failed_request
        silence_opens_another_stream
        a_broken_frame_is_told_and_passed_over
        the_page_cache_holds_no_stream
        online_and_a_visible_tab_cut_a_wait_short
        a_waiting_client_that_ended_hears_no_more_of_the_page
        the_device_is_remembered_and_the_tab_is_not
        refused_storage_leaves_the_device_in_memory
        a_browser_without_event_source_is_told
        bad_arguments_are_thrown_with_a_code
        a_client_lives_on_without_its_handle
        routes_follow_the_handlers
        a_record_that_excludes_this_tab_is_dropped
    }
}
