//! Two hubs on one log, with one client that reaches either of them: its calls about its stream are answered by the hub
//! that holds the stream.

use serde_json::json;
use tidings::{
    PresenceSettings, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::Memory,
};

use crate::fixture::{Fixture, Stream};

async fn two_hubs() -> (Fixture, Fixture) {
    let log = Memory::default();
    let hub = async || {
        let log = log.clone();
        Fixture::with(|hub| hub.engine(log).presence(PresenceSettings::default())).await
    };
    (hub().await, hub().await)
}

fn subscribe(stream: &Stream, channel: &str) -> serde_json::Value {
    json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": [channel]})
}

#[tokio::test]
async fn a_subscription_asked_for_at_another_hub_is_the_streams() {
    let (one, other) = two_hubs().await;
    let mut stream = one.stream("ana", &[]).await;
    let answer = other.client("ana").post("/subscribe", subscribe(&stream, "news:1")).await.good();
    assert_eq!(answer, json!({"accepted": ["news:1"], "rejected": []}));
    assert_eq!(stream.named("subscribed").await.data["requestId"], "r1");
    other.publish("news:1", "far").await;
    stream.hears("far").await;
    let body = json!({"connectionId": stream.connection_id(), "channels": ["news:1"]});
    other.client("ana").post("/unsubscribe", body).await.good();
    other.publish("news:1", "unheard").await;
    other.client("ana").post("/subscribe", subscribe(&stream, "news:2")).await.good();
    assert_eq!(stream.named("subscribed").await.data["channels"], json!(["news:2"]), "and nothing before it");
}

#[tokio::test]
async fn every_other_call_about_a_stream_is_forwarded_too() {
    let (one, other) = two_hubs().await;
    let stream = one.stream("ana", &[]).await;
    let body = json!({"connectionId": stream.connection_id()});
    assert_eq!(other.client("ana").post("/alive", body.clone()).await.status, 204);
    other.client("ana").post("/refresh", body).await.good();
}

/// Credentials may be in the query, for a client that can set no header.
#[tokio::test]
async fn a_call_is_forwarded_with_its_query() {
    let log = Memory::default();
    let hub = async || {
        let auth = |request: AuthRequest| async move {
            Identity::user(request.query("access_token").ok_or(AuthError::Missing)?)
        };
        let auth = auth.allow("news:*").unwrap();
        Fixture::mounting(|hub| hub.engine(log.clone()), |hub| Routes::new(hub, auth)).await
    };
    let (one, other) = (hub().await, hub().await);
    let stream = one.client("").stream(&[("access_token", "ana")]).await;
    let call = subscribe(&stream, "news:1");
    other.client("").post("/subscribe", call.clone()).await.is_problem(401, "credentialsMissing");
    other.client("").post("/subscribe?access_token=ana", call).await.good();
}

#[tokio::test]
async fn rights_and_mistakes_are_answered_by_the_hub_that_holds_the_stream() {
    let (one, other) = two_hubs().await;
    let stream = one.stream("ana", &[]).await;
    let answer = other.client("ana").post("/subscribe", subscribe(&stream, "admin")).await.good();
    assert_eq!(answer["rejected"], json!([{"channel": "admin", "code": "forbidden"}]));
    other.client("bob").post("/subscribe", subscribe(&stream, "news:1")).await.is_problem(404, "unknownConnection");
    let body = json!({"connectionId": stream.connection_id()});
    other.client("bob").post("/refresh", body).await.is_problem(403, "forbidden");
    let malformed = json!({"connectionId": stream.connection_id(), "channels": ["a::b"]});
    other.client("ana").post("/subscribe", malformed).await.is_problem(400, "malformedChannel");
}

#[tokio::test]
async fn a_stream_of_a_hub_that_is_gone_is_unknown() {
    let (one, other) = two_hubs().await;
    let stream = one.stream("ana", &[]).await;
    let call = subscribe(&stream, "news:1");
    drop(stream);
    drop(one);
    // The stream's connections end after it.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    other.client("ana").post("/subscribe", call).await.is_problem(404, "unknownConnection");
    let none = json!({"connectionId": "ffffffff.0", "requestId": "r1", "channels": ["news:1"]});
    other.client("ana").post("/subscribe", none).await.is_problem(404, "unknownConnection");
}

/// A client that reads slowly keeps its stream while the hub drains, and its calls at another hub are answered
/// meanwhile.
#[tokio::test]
async fn a_hub_that_drains_still_answers_calls_about_its_streams() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let log = Memory::default();
    let draining =
        tidings::Hub::builder().engine(log.clone()).presence(PresenceSettings::default()).build().await.unwrap();
    let router: axum::Router = tidings::routes(draining.clone(), crate::fixture::auth());
    let open = http::Request::get("/").header("authorization", "Bearer ana").body(axum::body::Body::empty()).unwrap();
    let mut stream = router.clone().oneshot(open).await.unwrap().into_body();
    let greeting = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let greeting = String::from_utf8(greeting.to_vec()).unwrap();
    let id = greeting.split("\"connectionId\":\"").nth(1).unwrap().split('"').next().unwrap();
    let other = Fixture::with(|hub| hub.engine(log).presence(PresenceSettings::default())).await;
    let drain = tokio::spawn(async move { draining.drain(std::time::Duration::from_secs(60)).await });
    tokio::task::yield_now().await;
    let call = json!({"connectionId": id});
    assert_eq!(other.client("ana").post("/alive", call.clone()).await.status, 204);
    other.client("ana").post("/refresh", call.clone()).await.good();
    assert!(!drain.is_finished(), "its stream is there");
    drop(stream);
    drain.await.unwrap();
    other.client("ana").post("/alive", call).await.is_problem(404, "unknownConnection");
}
