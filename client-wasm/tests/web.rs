//! The client in a real browser, with an EventSource and a `fetch` whose server is the test (`fakes.js`).
#![cfg(target_arch = "wasm32")]

use wasm_bindgen_test::wasm_bindgen_test_configure;

wasm_bindgen_test_configure!(run_in_browser);

/// Defines `globalThis.fakes`. A script and not a module of its own: the runner's server answers few requests at once,
/// and with one more module the browser waits minutes for the last of them.
fn load_fakes() {
    if js_sys::Reflect::get(&js_sys::global(), &"fakes".into()).unwrap().is_undefined() {
        js_sys::eval(include_str!("fakes.js")).unwrap();
    }
}

/// Tests of the interface for JavaScript. They are written in JavaScript, in `surface.js`, each under the same name.
#[cfg(feature = "js")]
mod surface {
    use js_sys::{Object, Reflect};
    use wasm_bindgen::prelude::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    /// The exported class.
    fn class() -> JsValue {
        let options = Object::new();
        Reflect::set(&options, &"url".into(), &"/e".into()).unwrap();
        Reflect::set(&options, &"deviceId".into(), &"d0".into()).unwrap();
        Reflect::set(&options, &"sessionId".into(), &"s0".into()).unwrap();
        let client = tidings_client::js::Client::new(options.unchecked_ref()).unwrap();
        Reflect::get(&client.into(), &"constructor".into()).unwrap()
    }

    #[wasm_bindgen(module = "/src/device.js")]
    extern "C" {
        #[wasm_bindgen(thread_local_v2, js_name = deviceId)]
        static DEVICE_ID: JsValue;
        #[wasm_bindgen(thread_local_v2, js_name = agreedDeviceId)]
        static AGREED_DEVICE_ID: JsValue;
    }

    /// The exports of `device.js`.
    fn device() -> JsValue {
        let device = Object::new();
        DEVICE_ID.with(|f| Reflect::set(&device, &"deviceId".into(), f)).unwrap();
        AGREED_DEVICE_ID.with(|f| Reflect::set(&device, &"agreedDeviceId".into(), f)).unwrap();
        device.into()
    }

    macro_rules! tests {
        ($($name:ident)*) => {$(
            #[wasm_bindgen_test]
            async fn $name() {
                #[wasm_bindgen(module = "/tests/surface.js")]
                extern "C" {
                    #[wasm_bindgen(catch, js_name = $name)]
                    async fn test(class: &JsValue, device: &JsValue) -> Result<JsValue, JsValue>;
                }
                super::load_fakes();
                test(&class(), &device()).await.unwrap();
            }
        )*};
    }

    tests! {
        first_handlers_connect
        a_throwing_callback_harms_nobody
        an_error_callback_that_throws_harms_nobody
        callbacks_may_call_anything
        the_browser_may_call_while_it_is_called
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
        the_device_is_remembered
        tabs_that_draw_a_device_in_the_same_moment_agree_on_one
        refused_storage_leaves_the_device_in_memory
        a_browser_without_event_source_is_told
        bad_arguments_are_thrown_with_a_code
        a_client_lives_on_without_its_handle
        an_answer_that_comes_after_the_end_harms_nobody
        routes_follow_the_handlers
        a_record_that_excludes_this_tab_is_dropped
    }
}

/// Tests of the interface for Rust.
#[cfg(feature = "typed")]
mod typed {
    use std::{cell::RefCell, rc::Rc};

    use futures_util::{FutureExt, StreamExt};
    use serde::Deserialize;
    use tidings_client::{
        Client, Event, Member,
        client::{Backoff, State},
    };
    use wasm_bindgen::prelude::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen(js_namespace = fakes)]
    extern "C" {
        fn install();
        fn uninstall();
        #[wasm_bindgen(js_name = microtasks)]
        async fn settled();
        /// The number of streams.
        fn streams() -> u32;
        /// Whether the last stream has been closed.
        #[wasm_bindgen(js_name = isClosed)]
        fn is_closed() -> bool;
        /// Emits a frame on the last stream.
        fn emit(name: &str, data: &str, id: &str);
        /// The `Authorization` header of the last request.
        fn authorization() -> String;
    }

    #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
    struct Timer {
        title: String,
        minutes: Option<u32>,
    }

    /// The reports, in order.
    #[derive(Clone, Default)]
    struct Log(Rc<RefCell<Vec<String>>>);

    impl Log {
        fn push(&self, line: impl Into<String>) {
            self.0.borrow_mut().push(line.into());
        }

        fn take(&self) -> Vec<String> {
            self.0.take()
        }
    }

    fn client(log: &Log) -> Client {
        super::load_fakes();
        install();
        let (states, gaps, errors) = (log.clone(), log.clone(), log.clone());
        Client::builder("/e")
            .by_fetch(false)
            .reconnect(Backoff { base_ms: 0, ..Backoff::default() })
            .on_state(move |status| states.push(status.state.as_str()))
            .on_gap(move |gap| gaps.push(format!("gap {}", gap.reason)))
            .on_error(move |failure| errors.push(failure.code.clone()))
            .build()
    }

    fn connected(channels: &str) {
        let data = format!(
            r#"{{"connectionId":"n1","channels":{channels},"rejected":[{{"channel":"no","code":"forbidden"}}]}}"#
        );
        emit("connected", &data, "1.10.a");
    }

    fn record(channel: &str, to: &str, payload: &str) {
        let data = format!(
            r#"{{"channel":"{channel}","type":"started",{to}"source":{{"deviceId":"d2"}},"timestamp":"t","payload":{payload}}}"#
        );
        emit("message", &data, "1.11.b");
    }

    #[wasm_bindgen_test]
    async fn events_arrive_as_the_handlers_own_type() {
        let log = Log::default();
        let client = client(&log);
        let heard = Rc::new(RefCell::new(Vec::new()));
        let (channel, addressed) = (Rc::clone(&heard), Rc::clone(&heard));
        let one = client.subscribe_as("timer:*", move |event: Event<Timer>| channel.borrow_mut().push(event)).unwrap();
        let two = client.on_as("timer", move |event: Event<Timer>| addressed.borrow_mut().push(event)).unwrap();
        settled().await;
        connected(r#"["timer:*"]"#);
        one.ready().await.unwrap();
        two.ready().await.unwrap();
        record("timer:u1", "", r#"{"title":"tea","minutes":4}"#);
        record("timer", r#""to":"user","#, r#"{"title":"eggs"}"#);
        let heard = heard.take();
        assert_eq!(heard.len(), 2);
        assert_eq!((&*heard[0].channel, &*heard[0].event_type, &*heard[0].cursor), ("timer:u1", "started", "1.11.b"));
        assert_eq!((heard[0].source.device_id.as_deref(), &heard[0].to), (Some("d2"), &None));
        assert_eq!(heard[0].payload, Timer { title: "tea".into(), minutes: Some(4) });
        assert_eq!((heard[1].to.as_deref(), heard[1].payload.minutes), (Some("user"), None));
        assert_eq!(log.take(), ["connecting", "open"]);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_payload_of_another_type_is_reported_and_ends_nothing() {
        let log = Log::default();
        let client = client(&log);
        let (strict, loose) = (log.clone(), log.clone());
        let _strict = client.on_as("a", move |_: Event<Timer>| strict.push("strict")).unwrap();
        let _loose = client.on_as("a", move |_: Event<Option<u32>>| loose.push("loose")).unwrap();
        settled().await;
        connected("[]");
        log.take();
        record("a", r#""to":"user","#, "7");
        assert_eq!(log.take(), ["malformedPayload", "loose"]);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn events_come_as_a_stream_which_ends_with_a_refusal() {
        let client = client(&Log::default());
        let mut events = client.channel("a").unwrap().events::<u32>();
        let mut refused = client.channel("no").unwrap().events::<u32>();
        settled().await;
        connected(r#"["a"]"#);
        events.ready().await.unwrap();
        assert!(events.next().now_or_never().is_none());
        record("a", "", "7");
        record("a", "", "8");
        assert_eq!(events.next().await.map(|event| event.payload), Some(7));
        assert_eq!(events.next().await.map(|event| event.payload), Some(8));
        assert!(refused.next().await.is_none());
        drop(events);
        drop(refused);
        drop(client);
        assert!(is_closed());
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_channel_that_is_taken_away_is_reported() {
        let log = Log::default();
        let client = client(&log);
        let own = log.clone();
        let channel =
            client.channel("a").unwrap().on_revoked(move |refused| own.push(format!("revoked {}", refused.code)));
        let _subscription = channel.subscribe_as(|_: Event<u32>| {});
        settled().await;
        connected(r#"["a"]"#);
        log.take();
        emit("revoked", r#"{"channels":["a"],"code":"forbidden"}"#, "");
        assert!(log.take().contains(&"revoked forbidden".to_owned()));
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn presence_is_a_list_that_is_kept_up_to_date() {
        let log = Log::default();
        let client = client(&log);
        let seen = log.clone();
        let names = |members: &[Member]| members.iter().map(|one| one.user_id.as_str()).collect::<Vec<_>>().join("+");
        let _presence = client.presence("room", move |presence| {
            seen.push(format!(
                "{} ({} came, {} left)",
                names(presence.here),
                names(presence.join),
                names(presence.leave)
            ));
        });
        settled().await;
        emit("connected", r#"{"connectionId":"n1","channels":[],"rejected":[],"aliveMs":30000}"#, "1.10.a");
        settled().await;
        log.take();
        let bob = r#"{"userId":"bob","deviceId":null}"#;
        emit("presence", &format!(r#"{{"channel":"room","here":[{bob}]}}"#), "");
        emit("presence", r#"{"channel":"room","join":[{"userId":"ana","deviceId":"d1"}]}"#, "");
        emit("presence", &format!(r#"{{"channel":"room","leave":[{bob}]}}"#), "");
        assert_eq!(log.take(), ["bob (bob came,  left)", "bob+ana (ana came,  left)", "ana ( came, bob left)"]);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_list_of_who_is_online_says_how_many_servers_were_asked_and_have_answered() {
        let log = Log::default();
        let client = client(&log);
        let seen = log.clone();
        let _presence = client.presence("room", move |presence| {
            seen.push(format!("{}: {} of {}", presence.here.len(), presence.answered, presence.asked));
        });
        settled().await;
        emit("connected", r#"{"connectionId":"n1","channels":[],"rejected":[],"aliveMs":30000}"#, "1.10.a");
        settled().await;
        log.take();
        emit("presence", r#"{"channel":"room","here":[],"asked":3,"answered":2}"#, "");
        emit("presence", r#"{"channel":"room","join":[{"userId":"ana","deviceId":"d1"}]}"#, "");
        let whole = r#"{"channel":"room","here":[{"userId":"ana","deviceId":"d1"}],"asked":3,"answered":3}"#;
        emit("presence", whole, "");
        emit("presence", whole, "");
        emit("presence", r#"{"channel":"room","here":[]}"#, "");
        assert_eq!(log.take(), ["0: 2 of 3", "1: 2 of 3", "1: 3 of 3", "0: 1 of 1"]);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_token_is_a_future() {
        super::load_fakes();
        install();
        let client = Client::builder("/e")
            .by_fetch(false)
            .token(|| async { Ok::<_, std::convert::Infallible>(Some("secret".to_owned())) })
            .build();
        client.connect();
        settled().await;
        settled().await;
        assert_eq!(authorization(), "Bearer secret");
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_refusal_is_an_error_of_ready() {
        let log = Log::default();
        let client = client(&log);
        let no = client.subscribe_as("no", |_: Event<u32>| {}).unwrap();
        settled().await;
        connected("[]");
        assert_eq!(no.ready().await.unwrap_err().code, "forbidden");
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_gap_is_told_to_the_channel_and_to_the_client() {
        let log = Log::default();
        let client = client(&log);
        let own = log.clone();
        let channel = client.channel("a").unwrap().on_gap(move |gap| own.push(format!("own {:?}", gap.channels)));
        let _subscription = channel.subscribe_as(|_: Event<u32>| {});
        settled().await;
        connected(r#"["a"]"#);
        log.take();
        emit("gap", r#"{"channels":["a"],"reason":"trimmed"}"#, "");
        assert_eq!(log.take(), ["gap trimmed", r#"own Some(["a"])"#]);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn dropping_a_subscription_ends_it_and_the_last_one_the_connection() {
        let log = Log::default();
        let client = client(&log);
        let (one, two) = (log.clone(), log.clone());
        let one = client.on_as("a", move |_: Event<u32>| one.push("one")).unwrap();
        let two = client.on_as("a", move |_: Event<u32>| two.push("two")).unwrap();
        settled().await;
        connected("[]");
        log.take();
        drop(one);
        drop(client);
        record("a", r#""to":"user","#, "7");
        assert_eq!(log.take(), ["two"]);
        assert!(!is_closed());
        drop(two);
        assert!(is_closed());
        assert_eq!(streams(), 1);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_handler_may_drop_its_own_subscription() {
        let log = Log::default();
        let client = client(&log);
        let slot = Rc::new(RefCell::new(None));
        let (own, heard) = (Rc::clone(&slot), log.clone());
        let subscription = client.on_as("a", move |_: Event<u32>| {
            heard.push("heard");
            own.take();
        });
        slot.replace(Some(subscription.unwrap()));
        settled().await;
        connected("[]");
        log.take();
        record("a", r#""to":"user","#, "7");
        record("a", r#""to":"user","#, "8");
        assert_eq!(log.take(), ["heard"]);
        assert_eq!(client.state(), State::Open);
        uninstall();
    }

    #[wasm_bindgen_test]
    async fn a_malformed_channel_is_an_error() {
        let client = client(&Log::default());
        assert!(client.subscribe_as("two words", |_: Event<u32>| {}).is_err());
        assert!(client.on_as("", |_: Event<u32>| {}).is_err());
        assert!(Client::builder("/e").device_id("").is_err());
        uninstall();
    }
}
