//! Hubs whose log is on a real server, and which reach each other by `HttpPeers` instead of the server: presence, questions
//! about users, and calls about another hub's stream.

use std::{collections::BTreeSet, fmt::Debug, future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
};
use futures_util::StreamExt;
use tidings::{
    Event, Gathered, Hub, PresenceChange, PresenceSettings, PresenceWatch,
    auth::{Auth, AuthRequest, Identity},
    engine::Engine,
    peers::HttpPeers,
};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    time::{Instant, timeout, timeout_at},
};
use tower::ServiceExt;

const SECRET: &str = "sixteen letters or more";
/// A hub counts as gone after 8 s of silence, and this machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub with a runtime of its own, which ends with all its tasks and connections, and says no good-bye.
struct Node {
    hub: Hub,
    routes: Router,
    process: Option<Runtime>,
}

impl Node {
    async fn start<F>(engine: F) -> Self
    where
        F: Future<Output = Arc<dyn Engine>> + Send + 'static,
    {
        let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let started = process.spawn(async move {
            let engine = engine.await;
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/peers", listener.local_addr().unwrap());
            let peers = Arc::new(HttpPeers::new(engine.clone(), &url, SECRET).unwrap());
            let app = Router::new().nest("/peers", peers.routes());
            tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
            let presence = PresenceSettings::default().grace(Duration::from_millis(100));
            Hub::builder().engine(engine).presence(presence).peers(Some(peers)).build().await.unwrap()
        });
        let hub = started.await.unwrap();
        let auth = (async |request: AuthRequest| Identity::user(request.query("user").unwrap_or_default()))
            .allow("*")
            .unwrap()
            .allow_presence("*")
            .unwrap();
        let routes = tidings::routes(hub.clone(), auth);
        Self { hub, routes, process: Some(process) }
    }

    fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.shutdown_background();
        }
    }

    /// Waits until this hub knows so many.
    async fn knows(&self, hubs: usize) {
        let known = async {
            while self.hub.cluster().stats().await.answered != hubs {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, known).await.expect("they find each other");
    }

    async fn open(&self, user: &str) -> Stream {
        let request = Request::get(format!("/?channels=news&user={user}")).body(Body::empty()).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let mut stream = Stream { body: answer.into_body(), text: String::new() };
        stream.until("event: connected").await;
        stream
    }

    /// A call about a stream, which subscribes it to a channel.
    async fn subscribe(&self, user: &str, connection: &str, channel: &str) -> StatusCode {
        let body = serde_json::json!({ "connectionId": connection, "requestId": "r1", "channels": [channel] });
        let request = Request::post(format!("/subscribe?user={user}")).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).unwrap();
        self.routes.clone().oneshot(request).await.unwrap().status()
    }

    /// Asks `GET /presence` until it answers this, as in `2 of 3: ana ben`.
    async fn until_listed(&self, expected: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let request = Request::get("/presence?channel=news&user=eve").body(Body::empty()).unwrap();
            let answer = self.routes.clone().oneshot(request).await.unwrap();
            let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            let here = answer["here"].as_array().unwrap();
            let users =
                here.iter().map(|member| format!(" {}", member["userId"].as_str().unwrap())).collect::<String>();
            if format!("{} of {}:{users}", answer["answered"], answer["asked"]) == expected {
                return;
            }
            assert!(Instant::now() < end, "{answer}, and not {expected}");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A user's stream, and what it has sent.
struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    /// Reads until the stream has sent this and the rest of the block.
    async fn until(&mut self, text: &str) {
        let sent = async {
            while !self.text.split_once(text).is_some_and(|(_, rest)| rest.contains("\n\n")) {
                let frame = http_body_util::BodyExt::frame(&mut self.body).await.expect("the stream goes on").unwrap();
                self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
            }
        };
        timeout(PATIENCE, sent).await.expect("in time");
    }

    fn connection(&self) -> &str {
        let (_, rest) = self.text.split_once(r#""connectionId":""#).unwrap();
        rest.split_once('"').unwrap().0
    }
}

/// A watch on who is online, and what it shows.
struct Shown {
    watch: PresenceWatch,
    users: BTreeSet<String>,
    answered: usize,
    asked: usize,
}

impl Shown {
    fn on(node: &Node) -> Self {
        let watch = node.hub.watch_presence("news").unwrap();
        Self { watch, users: BTreeSet::new(), answered: 0, asked: 0 }
    }

    /// Waits until this is shown, as in `2 of 3: ana ben`. On a busy machine a hub may miss the time of an answer, so
    /// that another list comes before.
    async fn until(&mut self, expected: &str) {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|seen| seen != expected) {
            let change = timeout_at(end, self.watch.next()).await;
            match change.unwrap_or_else(|_| panic!("{expected:?} and not {seen:?}")).expect("it does not end") {
                PresenceChange::Here(Gathered { value, asked, answered, .. }) => {
                    self.users = value.iter().map(|member| member.user_id.to_string()).collect();
                    (self.answered, self.asked) = (answered, asked);
                }
                PresenceChange::Moved { join, leave } => {
                    self.users.extend(join.iter().map(|member| member.user_id.to_string()));
                    self.users.retain(|user| leave.iter().all(|member| member.user_id.as_str() != user));
                }
            }
            let users = self.users.iter().map(|user| format!(" {user}")).collect::<String>();
            seen.push(format!("{} of {}:{users}", self.answered, self.asked));
        }
    }
}

/// Asks until the answer is this one: the value, the number of hubs that answered, and of those that were asked.
async fn until<T: PartialEq + Debug, E: Debug>(
    ask: impl AsyncFn() -> Result<Gathered<T>, E>,
    value: T,
    answered: usize,
    asked: usize,
) {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await.unwrap();
        if (&answer.value, answer.answered, answer.asked) == (&value, answered, asked) {
            return;
        }
        assert!(Instant::now() < end, "{answer:?}, and not {value:?} of {answered} of {asked}");
    }
}

async fn check<F>(open: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Engine>> + Send + 'static,
{
    let (one, two, mut three) = (Node::start(open()).await, Node::start(open()).await, Node::start(open()).await);
    for node in [&one, &two, &three] {
        node.knows(3).await;
    }
    let mut shown = Shown::on(&one);
    shown.until("3 of 3:").await;

    // Users come at the other hubs, and leave.
    let mut ana = two.open("ana").await;
    shown.until("3 of 3: ana").await;
    let ben = three.open("ben").await;
    shown.until("3 of 3: ana ben").await;
    drop(ben);
    shown.until("3 of 3: ana").await;
    let ben = three.open("ben").await;
    shown.until("3 of 3: ana ben").await;

    // Each hub answers for all.
    for node in [&one, &two, &three] {
        let cluster = node.hub.cluster();
        until(async || cluster.is_online("ben").await, true, 3, 3).await;
        until(async || cluster.is_online("cid").await, false, 3, 3).await;
        until(async || cluster.connection_count("ana").await, 1, 3, 3).await;
        node.until_listed("3 of 3: ana ben").await;
    }

    // A call that another hub receives is carried out at the hub that has the stream.
    let connection = ana.connection().to_owned();
    assert_eq!(three.subscribe("ana", &connection, "more").await, StatusCode::OK);
    ana.until("event: subscribed").await;
    one.hub.publish(Event::new("more", "said", &"forwarded").unwrap()).await.unwrap();
    ana.until(r#""payload":"forwarded""#).await;
    assert_eq!(three.subscribe("ben", &connection, "more").await, StatusCode::NOT_FOUND, "another user's stream");

    // A hub is killed: the list may lack somebody, until the hub counts as gone with its users.
    three.kill();
    shown.until("2 of 3: ana ben").await;
    let cluster = one.hub.cluster();
    until(async || cluster.connection_count("ana").await, 1, 2, 3).await;
    until(async || cluster.is_online("ben").await, false, 2, 3).await;
    one.until_listed("2 of 3: ana").await;
    assert_eq!(one.subscribe("ben", ben.connection(), "more").await, StatusCode::NOT_FOUND, "its client opens another");
    shown.until("2 of 2: ana").await;

    // Another hub joins, and a user comes there.
    let four = Node::start(open()).await;
    shown.until("3 of 3: ana").await;
    let _cid = four.open("cid").await;
    shown.until("3 of 3: ana cid").await;
}

#[tokio::test]
async fn hubs_on_postgresql_reach_each_other_over_http() {
    let server = tidings_servers::Postgres::start().unwrap();
    let open =
        |url: String| async move { Arc::new(tidings_postgres::Postgres::open(url).await.unwrap()) as Arc<dyn Engine> };
    check(|| open(server.url())).await;
}

#[tokio::test]
async fn hubs_on_redis_reach_each_other_over_http() {
    let server = tidings_servers::Redis::start().unwrap();
    let open = |url: String| async move { Arc::new(tidings_redis::Redis::open(url).await.unwrap()) as Arc<dyn Engine> };
    check(|| open(server.url())).await;
}
