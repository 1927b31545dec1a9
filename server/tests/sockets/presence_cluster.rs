//! Users come and leave at any hub of a log, and a watcher at one hub receives that.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use serde_json::{Value, json};
use tidings::{
    Gathered, Hub, Member, PresenceChange, PresenceSettings, PresenceWatch, Routes,
    auth::{Auth, MemoryTickets},
    engine::{Engine, Memory},
    peers::{CallError, NodeId, Peers, PeersError, Responder},
};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use crate::fixture::{Fixture, auth};

const GRACE: Duration = Duration::from_secs(10);

/// A hub whose tasks run in paused time, and its routes without a socket.
struct Node {
    hub: Hub,
    router: Router,
}

impl Node {
    async fn start(log: &Memory, peers: Option<Arc<dyn Peers>>) -> Self {
        let builder = Hub::builder().engine(log.clone()).presence(PresenceSettings::default().grace(GRACE));
        let hub = builder.peers(peers).build().await.unwrap();
        Self { router: tidings::routes(hub.clone(), auth()), hub }
    }

    /// Opens a stream, which lasts as long as its body. It is read to the end of its greeting only.
    async fn open(&self, user: &str) -> Body {
        let request = Request::get("/?channels=news:1").header("authorization", format!("Bearer {user}"));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body()
    }

    fn watch(&self) -> PresenceWatch {
        self.hub.watch_presence("news:1").unwrap()
    }
}

/// Waits until all of these nodes know each other.
async fn know_each_other(nodes: &[&Node]) {
    for node in nodes {
        while node.hub.cluster().stats().await.asked != nodes.len() {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn users(members: &[Member]) -> Vec<String> {
    members.iter().map(|member| member.user_id.to_string()).collect()
}

/// The next change: `here 2/3 ana`, `+ana -bob`.
async fn next(watch: &mut PresenceWatch) -> String {
    let change = timeout(Duration::from_secs(200), watch.next()).await.expect("something is told");
    match change.expect("it does not end") {
        PresenceChange::Here(Gathered { value, asked, answered, .. }) => {
            format!("here {answered}/{asked} {}", users(&value).join(" ")).trim().to_owned()
        }
        PresenceChange::Moved { join, leave } => {
            let join = users(&join).into_iter().map(|user| format!("+{user}"));
            join.chain(users(&leave).into_iter().map(|user| format!("-{user}"))).collect::<Vec<_>>().join(" ")
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_watcher_is_told_who_comes_and_goes_at_any_of_three_hubs() {
    let log = Memory::default();
    let start = async || Node::start(&log, log.peers()).await;
    let (one, two, three) = (start().await, start().await, start().await);
    know_each_other(&[&one, &two, &three]).await;
    let mut watch = one.watch();
    assert_eq!(next(&mut watch).await, "here 3/3");
    let ana = two.open("ana").await;
    assert_eq!(next(&mut watch).await, "+ana");
    let _bob = three.open("bob").await;
    assert_eq!(next(&mut watch).await, "+bob");
    let mut late = three.watch();
    assert_eq!(next(&mut late).await, "here 3/3 ana bob");
    let left = Instant::now();
    drop(ana);
    for watch in [&mut watch, &mut late] {
        assert_eq!(next(watch).await, "-ana");
    }
    assert_eq!(left.elapsed().as_secs(), GRACE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_user_who_goes_from_one_hub_to_another_never_left() {
    let log = Memory::default();
    let (one, two) = (Node::start(&log, log.peers()).await, Node::start(&log, log.peers()).await);
    know_each_other(&[&one, &two]).await;
    let first = two.open("ana").await;
    let mut watch = one.watch();
    assert_eq!(next(&mut watch).await, "here 2/2 ana");
    drop(first);
    sleep(GRACE / 2).await;
    let _second = one.open("ana").await;
    sleep(GRACE).await;
    let _bob = two.open("bob").await;
    assert_eq!(next(&mut watch).await, "+bob", "and nothing before it");
}

/// The connection between hubs, which may be cut: no message arrives, and no side is notified.
struct Line {
    peers: Arc<dyn Peers>,
    is_cut: Arc<AtomicBool>,
}

#[async_trait]
impl Peers for Line {
    async fn join(&self, node: NodeId, responder: Weak<dyn Responder>) -> Result<(), PeersError> {
        self.peers.join(node, responder).await
    }

    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError> {
        // Messages under way at the cut do not arrive either.
        let answer =
            timeout(deadline, self.peers.call(node, message, deadline)).await.unwrap_or(Err(CallError::Unanswered));
        if self.is_cut.load(Ordering::Relaxed) {
            sleep(deadline).await;
            return Err(CallError::Unanswered);
        }
        answer
    }

    async fn tell(&self, from: NodeId, message: Bytes) -> Result<(), PeersError> {
        if self.is_cut.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.peers.tell(from, message).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_users_of_a_hub_that_falls_silent_leave_and_come_back_with_it_and_watchers_know_what_they_are_told() {
    let log = Memory::default();
    let is_cut = Arc::new(AtomicBool::new(false));
    let start = async || {
        let line: Arc<dyn Peers> = Arc::new(Line { peers: log.peers().unwrap(), is_cut: is_cut.clone() });
        Node::start(&log, Some(line)).await
    };
    let (one, two) = (start().await, start().await);
    know_each_other(&[&one, &two]).await;
    let (_ana, _bob) = (one.open("ana").await, two.open("bob").await);
    let mut watch = one.watch();
    assert_eq!(next(&mut watch).await, "here 2/2 ana bob");
    is_cut.store(true, Ordering::Relaxed);
    let cut = Instant::now();
    assert_eq!(next(&mut watch).await, "here 1/2 ana bob", "it does not answer");
    assert!(cut.elapsed() <= Duration::from_secs(7), "{:?}", cut.elapsed());
    assert_eq!(next(&mut watch).await, "here 1/1 ana bob", "it is gone, and its users may come back somewhere else");
    assert_eq!(next(&mut watch).await, "-bob");
    let silent = cut.elapsed().as_secs();
    assert!((8..=12).contains(&silent), "{silent}");
    is_cut.store(false, Ordering::Relaxed);
    assert_eq!(next(&mut watch).await, "here 2/2 ana bob", "all have answered again");
    let _eve = two.open("eve").await;
    assert_eq!(next(&mut watch).await, "+eve");
}

#[tokio::test(start_paused = true)]
async fn the_users_of_a_hub_that_has_died_leave_once_its_beats_are_missing() {
    let log = Memory::default();
    let (one, two) = (Node::start(&log, log.peers()).await, Node::start(&log, log.peers()).await);
    know_each_other(&[&one, &two]).await;
    let bob = two.open("bob").await;
    let mut watch = one.watch();
    assert_eq!(next(&mut watch).await, "here 2/2 bob");
    let died = Instant::now();
    drop((bob, two));
    let mut told = Vec::new();
    while told.last().is_none_or(|told| told != "-bob") {
        told.push(next(&mut watch).await);
    }
    assert!((8..=12).contains(&died.elapsed().as_secs()), "{:?}", died.elapsed());
    let three = Node::start(&log, log.peers()).await;
    let _bob = three.open("bob").await;
    assert_eq!(next(&mut watch).await, "here 2/2 bob", "the new hub has answered");
}

/// A hub of a version that knows none of our questions.
struct Stranger;

#[async_trait]
impl Responder for Stranger {
    async fn respond(&self, _: Bytes) -> Bytes {
        Bytes::new()
    }

    fn told(&self, _: Bytes) {}
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_understand_has_not_answered() {
    let log = Memory::default();
    let one = Node::start(&log, log.peers()).await;
    let peers = log.peers().unwrap();
    let stranger: Arc<dyn Responder> = Arc::new(Stranger);
    peers.join(NodeId(7), Arc::downgrade(&stranger)).await.unwrap();
    let beat = json!({"v": 1, "beat": {"node": 7, "number": 1, "version": "9.0.0", "connections": 0, "head": one.hub.cursor().to_string(),
                      "isFollowing": true, "isDraining": false}});
    peers.tell(NodeId(7), beat.to_string().into()).await.unwrap();
    let _ana = one.open("ana").await;
    let mut watch = one.watch();
    assert_eq!(next(&mut watch).await, "here 1/2 ana");
    // The node has not been seen again.
    assert_eq!(next(&mut watch).await, "here 1/1 ana");
}

async fn hub(log: &Memory) -> Fixture {
    let settings =
        |hub: tidings::HubBuilder| hub.engine(log.clone()).presence(PresenceSettings::default().grace(Duration::ZERO));
    let routes = |hub| Routes::new(hub, Auth::allow_presence(auth(), "*").unwrap()).tickets(MemoryTickets::default());
    Fixture::mounting(settings, routes).await
}

#[tokio::test]
async fn the_frames_of_a_stream_tell_of_all_hubs_and_how_many_answered() {
    let log = Memory::default();
    let (one, two) = (hub(&log).await, hub(&log).await);
    for hub in [&one, &two] {
        while hub.hub.cluster().stats().await.asked != 2 {
            tokio::task::yield_now().await;
        }
    }
    let mut eve = one.stream("eve", &[]).await;
    let watch = json!({"connectionId": eve.connection_id(), "revision": 1, "channels": ["news:1"]});
    // At the hub that does not have the stream.
    two.client("eve").post("/presence", watch).await.good();
    let who = |user: &str| json!({"userId": user, "deviceId": Value::Null});
    let here = json!({"channel": "news:1", "here": [], "asked": 2, "answered": 2});
    assert_eq!(eve.named("presence").await.data, here);
    let ana = two.stream("ana", &[("channels", "news:1")]).await;
    assert_eq!(eve.named("presence").await.data, json!({"channel": "news:1", "join": [who("ana")]}));
    drop(ana);
    assert_eq!(eve.named("presence").await.data, json!({"channel": "news:1", "leave": [who("ana")]}));
    assert!(one.hub.presence("news:1").unwrap().is_empty(), "on that node");
}
