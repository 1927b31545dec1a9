//! Nodes that reach each other over HTTP.

use std::{sync::Arc, time::Duration};

use axum::body::Body;
use futures_util::StreamExt;
use http::Request;
use tidings::{
    Hub, PresenceChange, PresenceSettings, PresenceWatch,
    auth::{AuthRequest, Identity},
    engine::Memory,
    peers::{CallError, HttpPeers, HttpPeersError, NodeId, Peers, conformance},
};
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tower::ServiceExt;

const SECRET: &str = "sixteen letters or more";

async fn node(log: &Memory, secret: &str) -> (Arc<HttpPeers>, JoinHandle<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/peers", listener.local_addr().unwrap());
    let peers = Arc::new(HttpPeers::new(Arc::new(log.clone()), &url, secret).unwrap());
    let app = axum::Router::new().nest("/peers", peers.routes());
    let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (peers, server, url)
}

#[tokio::test]
async fn every_promise_is_kept() {
    let log = Memory::default();
    let (one, two, three) = (node(&log, SECRET).await, node(&log, SECRET).await, node(&log, SECRET).await);
    conformance::check(one.0, two.0, three.0).await;
}

#[tokio::test]
async fn a_call_without_the_secret_is_refused() {
    let log = Memory::default();
    let (one, _one, url) = node(&log, SECRET).await;
    let (other, _other, _) = node(&log, "another secret of theirs").await;
    let _echo = conformance::Echo::join(&*one, 1, "one").await;
    let answer = other.call(NodeId(1), "x".into(), Duration::from_secs(5)).await;
    assert!(matches!(answer, Err(CallError::Down(_))), "{answer:?}");
    for signature in ["", "00", "not hexadecimal", &"0".repeat(64)] {
        let call = reqwest::Client::new().post(&url).header("tidings-signature", signature).body("x");
        assert_eq!(call.send().await.unwrap().status(), 401, "{signature}");
    }
    assert_eq!(reqwest::Client::new().post(&url).body("x").send().await.unwrap().status(), 401);
}

#[tokio::test]
async fn a_node_whose_server_is_gone_is_gone() {
    let log = Memory::default();
    let ((one, _one, _), (two, server, _)) = (node(&log, SECRET).await, node(&log, SECRET).await);
    let _echo = conformance::Echo::join(&*two, 2, "two").await;
    assert_eq!(conformance::call(&*one, 2, "hi").await.unwrap(), "two heard hi");
    server.abort();
    let _ = server.await;
    let answer = one.call(NodeId(2), "x".into(), Duration::from_secs(5)).await;
    // Its connection may still have been in use.
    let again = one.call(NodeId(2), "x".into(), Duration::from_secs(5)).await;
    assert!(matches!(answer, Err(CallError::Gone | CallError::Down(_))), "{answer:?}");
    assert!(matches!(again, Err(CallError::Gone)), "{again:?}");
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let log: Arc<Memory> = Arc::default();
    let made = |url, secret| HttpPeers::new(log.clone(), url, secret).map(drop);
    assert_eq!(made("10.0.0.7:4101", SECRET), Err(HttpPeersError::Url));
    assert_eq!(made("https://10.0.0.7/peers", SECRET), Err(HttpPeersError::Url));
    assert_eq!(made("http://10.0.0.7:4101/peers", "short"), Err(HttpPeersError::Secret));
    assert_eq!(made("http://10.0.0.7:4101/peers", SECRET), Ok(()));
}

/// The next change of who is online: how many hubs answered, and the users who came and left.
async fn next(watch: &mut PresenceWatch) -> String {
    match timeout(Duration::from_secs(30), watch.next()).await.expect("in time").expect("it does not end") {
        PresenceChange::Here(here) => format!("{} of {}: {}", here.answered, here.asked, here.value.len()),
        PresenceChange::Moved { join, leave } => format!("{} came, {} left", join.len(), leave.len()),
    }
}

async fn hub(log: &Memory, peers: Arc<HttpPeers>) -> Hub {
    let presence = PresenceSettings::default().grace(Duration::from_millis(100));
    Hub::builder().engine(log.clone()).presence(presence).peers(Some(peers)).build().await.unwrap()
}

#[tokio::test]
async fn a_watcher_receives_who_comes_and_leaves_at_another_hub_and_that_it_is_gone() {
    let log = Memory::default();
    let (one, _one, _) = node(&log, SECRET).await;
    let here = hub(&log, one).await;
    // The other hub has a runtime of its own, which ends with all its connections.
    let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let far = log.clone();
    let there = process.spawn(async move { hub(&far, node(&far, SECRET).await.0).await }).await.unwrap();
    while here.cluster().stats().await.answered != 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut watch = here.watch_presence("news").unwrap();
    assert_eq!(next(&mut watch).await, "2 of 2: 0");
    let ana = async |_: AuthRequest| Ok(Identity::user("ana")?.allow("news")?);
    let routes = tidings::routes(there, ana);
    let open = || Request::get("/?channels=news").body(Body::empty()).unwrap();
    let stream = routes.clone().oneshot(open()).await.unwrap();
    assert_eq!(next(&mut watch).await, "1 came, 0 left");
    drop(stream);
    assert_eq!(next(&mut watch).await, "0 came, 1 left");
    let _stream = routes.oneshot(open()).await.unwrap();
    assert_eq!(next(&mut watch).await, "1 came, 0 left");
    process.shutdown_background();
    assert_eq!(next(&mut watch).await, "1 of 2: 1", "it does not answer");
    assert_eq!(next(&mut watch).await, "1 of 1: 0", "its beats are missing");
}
