//! How a stream begins, and that both servers carry it.

use reqwest::Method;
use serde_json::json;
use tidings::{Cors, Routes, engine::Memory};

use crate::fixture::{Fixture, Held, auth};

#[tokio::test]
async fn the_headers_keep_proxies_from_keeping_compressing_or_holding_it_back() {
    let fixture = Fixture::start().await;
    let stream = fixture.stream("ana", &[]).await;
    assert_eq!(stream.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(stream.headers["vary"], "*");
    assert_eq!(stream.headers["cache-control"], "no-cache, no-transform");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
}

#[tokio::test]
async fn the_reconnection_time_stands_in_the_block_of_connected() {
    let fixture = Fixture::with(|hub| hub.retry(std::time::Duration::from_millis(1_250))).await;
    let stream = fixture.stream("ana", &[]).await;
    let text = String::from_utf8_lossy(&stream.raw);
    assert!(text.starts_with("retry: 1250\nid: ") && text.contains("\nevent: connected\ndata: {"), "{text:?}");
}

#[tokio::test]
async fn line_separators_of_other_readers_are_escaped() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    // The characters are written raw in the publisher's JSON, and would be by ours.
    let body = "{\"channel\":\"news:1\",\"type\":\"t\",\"payload\":\"\u{2028}\u{2029}\u{85}\"}";
    fixture.client("backend").post_text("/publish", "application/json", body).await.good();
    stream.hears("\u{2028}\u{2029}\u{85}").await;
    assert!(stream.raw.ends_with(b"\"\\u2028\\u2029\\u0085\"}\n\n"), "{:?}", String::from_utf8_lossy(&stream.raw));
}

#[tokio::test]
async fn only_get_opens_one() {
    let fixture = Fixture::mounting(
        |hub| hub,
        |hub| Routes::new(hub, auth()).cors(Cors::origins(["https://app.example"]).unwrap()),
    )
    .await;
    let mut canary = fixture.canary().await;
    let head = fixture.client("ana").method(Method::HEAD, "?channels=news:1").await;
    assert_eq!((head.status, &head.headers["allow"]), (405, &"GET".parse().unwrap()));
    let preflight = fixture
        .client("ana")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET")
        .method(Method::OPTIONS, "?channels=news:1")
        .await;
    assert_eq!(preflight.status, 200);
    assert_eq!(fixture.hub.stats().connections, 1, "the canary's");
    canary.lives().await;
    let plain = Fixture::start().await;
    plain.client("ana").method(Method::OPTIONS, "").await.is_problem(405, "methodNotAllowed");
    let counted = fixture.client("ana").header("origin", "https://app.example").stream(&[]).await;
    let varies: Vec<_> = counted.headers.get_all("vary").iter().collect();
    assert!(varies.contains(&&"*".parse().unwrap()), "{varies:?}");
}

#[tokio::test]
async fn connected_names_the_user_and_the_channels_of_the_stream() {
    let fixture = Fixture::start().await;
    let query = [("channels", "news:*,timer:ana,admin"), ("deviceId", "laptop"), ("sessionId", "tab")];
    let stream = fixture.stream("ana", &query).await;
    let mut data = stream.connected.data.clone();
    let fields = data.as_object_mut().unwrap();
    assert!(fields.remove("connectionId").unwrap().as_str().unwrap().len() >= 32, "it cannot be guessed");
    assert!(fields.remove("timestamp").unwrap().as_str().unwrap().ends_with('Z'));
    let expected = json!({
        "userId": "ana",
        "deviceId": "laptop",
        "channels": ["news:*", "timer:ana"],
        "rejected": [{"channel": "admin", "code": "forbidden"}],
        "addressed": true,
        "resumed": false,
        "heartbeatMs": 15_000,
    });
    assert_eq!(data, expected);
}

#[tokio::test]
async fn without_a_cursor_it_starts_at_the_end_of_the_log() {
    let fixture = Fixture::start().await;
    let mut witness = fixture.stream("eve", &[("channels", "news:1")]).await;
    let before = fixture.publish("news:1", "old").await;
    witness.hears("old").await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    assert_eq!(stream.connected.id, before.cursor.to_string());
    fixture.publish("news:1", "new").await;
    stream.hears("new").await;
}

#[tokio::test]
async fn two_streams_of_one_tab_have_different_ids() {
    let fixture = Fixture::start().await;
    let one = fixture.stream("ana", &[("sessionId", "tab")]).await;
    let other = fixture.stream("ana", &[("sessionId", "tab")]).await;
    assert_ne!(one.connection_id(), other.connection_id());
    // Nobody can guess 128 bits.
    let (node, random) = one.connection_id().split_once('.').unwrap();
    assert!((node.len(), random.len()) == (8, 128 / 4) && !other.connection_id().contains(random));
}

#[tokio::test]
async fn an_event_stands_on_the_wire_as_it_was_published() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let receipt = fixture.publish("news:1", json!({"title": "Tea"})).await;
    let frame = stream.named("message").await;
    assert_eq!(frame.id, receipt.cursor.to_string());
    assert!(frame.data.get("cursor").is_none(), "the `id:` says it");
    assert_eq!((&frame.data["channel"], &frame.data["type"]), (&json!("news:1"), &json!("changed")));
    assert_eq!(frame.data["payload"], json!({"title": "Tea"}));
    for absent in ["to", "source", "except", "requestId"] {
        assert_eq!(frame.data.get(absent), None);
    }
    assert!(stream.raw.ends_with(b"\"payload\":{\"title\":\"Tea\"}}\n\n"), "the payload is the last field");
}

#[tokio::test]
async fn a_plain_axum_server_carries_it_too() {
    let serve = |listener, app: axum::Router| axum::serve(listener, app).into_future();
    let fixture = Fixture::serving(|hub| hub, serve).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    assert_eq!(stream.headers["cache-control"], "no-cache, no-transform");
    fixture.publish("news:1", 1).await;
    stream.hears(1).await;
    let body = json!({"connectionId": stream.connection_id(), "requestId": "r", "channels": ["news:2"]});
    fixture.client("ana").post("/subscribe", body).await.good();
    stream.named("subscribed").await;
    fixture.client("ana").get("/nowhere", &[]).await.is_problem(404, "notFound");
}

#[tokio::test]
async fn check_says_whose_the_credentials_are() {
    let fixture = Fixture::start().await;
    assert_eq!(fixture.client("ana").get("/check", &[]).await.good(), json!({"userId": "ana"}));
    assert_eq!(fixture.client("anonymous").get("/check", &[]).await.good(), json!({"userId": null}));
}

#[tokio::test]
async fn a_loop_of_publishes_on_its_thread_leaves_it_time() {
    let log = Memory::builder().records(1_000).build();
    let fixture = Fixture::mounting(|hub| hub.engine(log), |hub| Routes::new(hub, auth())).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    // More events than the log holds, from a loop that never waits.
    for number in 0..3_000 {
        fixture.publish("news:2", number).await;
    }
    fixture.publish("news:1", "heard").await;
    stream.hears("heard").await;
}

#[tokio::test]
async fn a_hub_whose_engine_panics_ends_its_streams_rather_than_leaving_them_silent() {
    let engine = Held::new(Memory::default());
    let fixture = Fixture::mounting(|hub| hub.engine(engine.clone()), |hub| Routes::new(hub, auth())).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    assert!(fixture.hub.is_healthy());
    engine.panic();
    fixture.publish("news:1", "tea").await;
    assert_eq!(stream.named("closing").await.data["reason"], "drain");
    assert!(!fixture.hub.is_healthy());
    fixture.client("ana").get("", &[]).await.is_problem(503, "unavailable");
}
