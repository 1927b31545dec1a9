//! Answers gathered from all hubs of a log.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use tidings::{
    PresenceSettings, Routes,
    auth::MemoryTickets,
    engine::{Engine, Memory},
    peers::{CallError, NodeId, Peers, PeersError, Responder},
};

use crate::fixture::{Fixture, Held, auth};

/// A hub on this log, which issues tickets and lets every user watch presence.
async fn hub(log: &Memory) -> Fixture {
    let settings = |hub: tidings::HubBuilder| hub.engine(log.clone()).presence(PresenceSettings::default());
    let routes = |hub| {
        let auth = tidings::auth::Auth::allow_presence(auth(), "*").unwrap();
        Routes::new(hub, auth).tickets(MemoryTickets::default())
    };
    Fixture::mounting(settings, routes).await
}

/// Waits until each of these hubs knows of this many nodes.
async fn know(hubs: &[&Fixture], count: usize) {
    let known = async {
        for hub in hubs {
            while hub.hub.cluster().stats().await.asked != count {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), known).await.expect("hubs receive each other's beats");
}

#[tokio::test]
async fn a_user_who_is_online_at_any_hub_is_online() {
    let log = Memory::default();
    let (one, other) = (hub(&log).await, hub(&log).await);
    know(&[&one, &other], 2).await;
    let _first = one.stream("ana", &[("deviceId", "phone"), ("channels", "news:1")]).await;
    let _second = other.stream("ana", &[("deviceId", "laptop"), ("channels", "news:1")]).await;
    let _third = other.stream("bob", &[("channels", "news:1")]).await;
    for hub in [&one, &other] {
        let cluster = hub.hub.cluster();
        let ana = cluster.connection_count("ana").await.unwrap();
        assert_eq!((ana.value, ana.asked, ana.answered), (2, 2, 2));
        assert!(cluster.is_online("bob").await.unwrap().value);
        assert!(!cluster.is_online("eve").await.unwrap().value);
        let devices = cluster.devices_online("ana").await.unwrap().value;
        assert_eq!(devices.iter().map(tidings::DeviceId::as_str).collect::<Vec<_>>(), ["laptop", "phone"]);
        assert_eq!(cluster.presence("news:1").await.unwrap().value.len(), 3);
        let stats = cluster.stats().await;
        assert_eq!(stats.value.iter().map(|node| node.connections).sum::<usize>(), 3);
        let answer = hub.client("ana").get("/presence", &[("channel", "news:1")]).await.good();
        assert_eq!(answer["here"].as_array().unwrap().len(), 3, "{answer}");
        assert_eq!((&answer["asked"], &answer["answered"]), (&json!(2), &json!(2)));
    }
    assert!(!one.hub.is_online("bob").unwrap(), "on that node");
}

#[tokio::test]
async fn a_hub_alone_is_the_whole_cluster() {
    let one = hub(&Memory::default()).await;
    let _stream = one.stream("ana", &[("channels", "news:1")]).await;
    let count = one.hub.cluster().connection_count("ana").await.unwrap();
    assert_eq!((count.value, count.asked, count.answered), (1, 1, 1));
    let answer = one.client("ana").get("/presence", &[("channel", "news:1")]).await.good();
    assert_eq!(answer, json!({"channel": "news:1", "here": [{"userId": "ana", "deviceId": null}]}));
}

#[tokio::test]
async fn a_ticket_opens_one_stream_at_whatever_hub() {
    let log = Memory::default();
    let (one, other) = (hub(&log).await, hub(&log).await);
    let ticket = one.client("ana").post("/ticket", json!({})).await.good()["ticket"].as_str().unwrap().to_owned();
    let stream = other.client("").stream(&[("ticket", &ticket)]).await;
    assert_eq!(stream.connected.data["userId"], "ana");
    for hub in [&one, &other] {
        let refused = hub.client("").try_stream(&[("ticket", &ticket)]).await.err().expect("it was used");
        refused.is_problem(401, "credentialsInvalid");
    }
}

#[tokio::test]
async fn a_ticket_of_a_hub_that_is_gone_is_none() {
    let log = Memory::default();
    let other = hub(&log).await;
    let ticket = "ffffffff.0123456789abcdef.0123456789abcdef0123456789abcdef";
    let refused = other.client("").try_stream(&[("ticket", ticket)]).await.err().expect("nobody has minted it");
    refused.is_problem(401, "credentialsInvalid");
}

/// A transport that always fails, while the log works.
struct Broken;

#[async_trait]
impl Peers for Broken {
    async fn join(&self, _: NodeId, _: Weak<dyn Responder>) -> Result<(), PeersError> {
        Err(PeersError("down".into()))
    }

    async fn call(&self, _: NodeId, _: Bytes, _: Duration) -> Result<Bytes, CallError> {
        Err(CallError::Down("down".into()))
    }

    async fn tell(&self, _: NodeId, _: Bytes) -> Result<(), PeersError> {
        Err(PeersError("down".into()))
    }
}

#[tokio::test]
async fn streams_go_on_where_hubs_cannot_reach_each_other() {
    let log = Memory::default();
    let broken = async || Fixture::with(|hub| hub.engine(log.clone()).peers(Some(Arc::new(Broken)))).await;
    let (one, other) = (broken().await, broken().await);
    let mut stream = one.stream("ana", &[("channels", "news:1")]).await;
    other.publish("news:1", "heard").await;
    stream.hears("heard").await;
    let call = json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": ["news:2"]});
    let answer = other.client("ana").post("/subscribe", call.clone()).await;
    answer.is_problem(503, "unavailable");
    assert!(answer.headers.contains_key("retry-after"));
    one.client("ana").post("/subscribe", call).await.good();
    assert_eq!(stream.named("subscribed").await.data["channels"], json!(["news:2"]));
    assert!(one.hub.is_healthy() && other.hub.is_healthy());
}

/// A node of another version that understands none of our messages.
struct Stranger;

#[async_trait]
impl Responder for Stranger {
    async fn respond(&self, _: Bytes) -> Bytes {
        Bytes::new()
    }

    fn told(&self, _: Bytes) {}
}

#[tokio::test]
async fn a_hub_of_another_version_is_asked_and_has_not_answered() {
    let log = Memory::default();
    let one = hub(&log).await;
    let peers = log.peers().unwrap();
    let stranger: Arc<dyn Responder> = Arc::new(Stranger);
    peers.join(NodeId(7), Arc::downgrade(&stranger)).await.unwrap();
    let head = one.hub.cursor().to_string();
    let beat = json!({"v": 1, "beat": {"node": 7, "number": 1, "version": "9.0.0", "connections": 0, "head": head,
                      "isFollowing": true, "isDraining": false, "novelty": true}});
    peers.tell(NodeId(7), beat.to_string().into()).await.unwrap();
    peers.tell(NodeId(7), json!({"v": 2, "beat": "of another kind"}).to_string().into()).await.unwrap();
    peers.tell(NodeId(7), "no message".into()).await.unwrap();
    let _stream = one.stream("ana", &[]).await;
    let count = one.hub.cluster().connection_count("ana").await.unwrap();
    assert_eq!((count.value, count.asked, count.answered), (1, 2, 1));
    let call = json!({"connectionId": "00000007.0", "requestId": "r1", "channels": ["news:1"]});
    one.client("ana").post("/subscribe", call).await.is_problem(404, "unknownConnection");
}

/// Reads the stream until it contains this text.
async fn until(stream: &mut axum::body::Body, text: &str) {
    use http_body_util::BodyExt;
    let mut heard = String::new();
    while !heard.contains(text) {
        let frame = stream.frame().await.expect("the stream goes on").unwrap().into_data().unwrap();
        heard.push_str(&String::from_utf8_lossy(&frame));
    }
}

async fn open(router: &axum::Router) -> http::Response<axum::body::Body> {
    use tower::ServiceExt;
    let open = http::Request::get("/").header("authorization", "Bearer ana").body(axum::body::Body::empty()).unwrap();
    router.clone().oneshot(open).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_hub_whose_tail_stands_still_sends_its_clients_away_once_another_shows_that_the_log_goes_on() {
    let log = Memory::default();
    let held = Held::new(log.clone());
    let still = tidings::Hub::builder().engine(held.clone()).peers(log.peers()).build().await.unwrap();
    let other = tidings::Hub::builder().engine(log).build().await.unwrap();
    let router: axum::Router = tidings::routes(still.clone(), auth());
    let mut stream = open(&router).await.into_body();
    until(&mut stream, "connectionId").await;
    let second = Duration::from_secs(1);
    tokio::time::sleep(3 * second).await;
    assert!(still.is_healthy());
    held.tail.shut();
    // Nothing was yielded since the last beat of the tail.
    tokio::time::sleep(6 * second).await;
    assert!(!still.is_healthy(), "the hub is unhealthy within 5 s of the silence");
    tokio::time::sleep(10 * second).await;
    assert_eq!(still.stats().connections, 1, "its streams stay, because there may be nowhere to go");
    other.publish(crate::fixture::event("news:1", "x")).await.unwrap();
    until(&mut stream, "closing").await;
    drop(stream);
    assert_eq!(open(&router).await.status(), 503);
    held.tail.open();
    tokio::time::sleep(4 * second).await;
    assert!(still.is_healthy(), "it has caught up");
    assert_eq!(open(&router).await.status(), 200);
}
