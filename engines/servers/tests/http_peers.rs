//! Hubs whose log is on a real server, and which reach each other by `HttpPeers` instead of the server: presence, questions
//! about users, and calls about another hub's stream.

use std::{future::Future, sync::Arc, time::Duration};

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
use tokio::{net::TcpListener, runtime::Runtime, time::timeout};
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

    /// The answer to `GET /presence`.
    async fn presence(&self) -> serde_json::Value {
        let request = Request::get("/presence?channel=news&user=eve").body(Body::empty()).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        serde_json::from_slice(&axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap()).unwrap()
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

/// The next change of who is online: `2 of 3: ana ben`, or `+ana -ben`.
async fn next(watch: &mut PresenceWatch) -> String {
    match timeout(PATIENCE, watch.next()).await.expect("in time").expect("it does not end") {
        PresenceChange::Here(Gathered { value, asked, answered, .. }) => {
            let users: Vec<_> = value.iter().map(|member| member.user_id.as_str()).collect();
            format!("{answered} of {asked}: {}", users.join(" "))
        }
        PresenceChange::Moved { join, leave } => {
            let join = join.iter().map(|member| format!("+{}", member.user_id));
            let leave = leave.iter().map(|member| format!("-{}", member.user_id));
            join.chain(leave).collect::<Vec<_>>().join(" ")
        }
    }
}

/// The value, the number of hubs that answered, and of those that were asked.
fn figures<T>(gathered: Gathered<T>) -> (T, usize, usize) {
    (gathered.value, gathered.answered, gathered.asked)
}

async fn check<F>(open: impl Fn() -> F)
where
    F: Future<Output = Arc<dyn Engine>> + Send + 'static,
{
    let (one, two, mut three) = (Node::start(open()).await, Node::start(open()).await, Node::start(open()).await);
    for node in [&one, &two, &three] {
        node.knows(3).await;
    }
    let mut watch = one.hub.watch_presence("news").unwrap();
    assert_eq!(next(&mut watch).await, "3 of 3: ");

    // Users come at the other hubs, and leave.
    let mut ana = two.open("ana").await;
    assert_eq!(next(&mut watch).await, "+ana");
    let ben = three.open("ben").await;
    assert_eq!(next(&mut watch).await, "+ben");
    drop(ben);
    assert_eq!(next(&mut watch).await, "-ben");
    let ben = three.open("ben").await;
    assert_eq!(next(&mut watch).await, "+ben");

    // Each hub answers for all.
    for node in [&one, &two, &three] {
        let cluster = node.hub.cluster();
        assert_eq!(figures(cluster.is_online("ben").await.unwrap()), (true, 3, 3));
        assert_eq!(figures(cluster.is_online("cid").await.unwrap()), (false, 3, 3));
        assert_eq!(figures(cluster.connection_count("ana").await.unwrap()), (1, 3, 3));
        let answer = node.presence().await;
        let here = [("ana", 0), ("ben", 1)].map(|(user, at)| answer["here"][at]["userId"] == user);
        assert_eq!((here, &answer["asked"], &answer["answered"]), ([true; 2], &3.into(), &3.into()), "{answer}");
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
    assert_eq!(next(&mut watch).await, "2 of 3: ana ben");
    assert_eq!(figures(one.hub.cluster().connection_count("ana").await.unwrap()), (1, 2, 3));
    assert_eq!(figures(one.hub.cluster().is_online("ben").await.unwrap()), (false, 2, 3));
    let answer = one.presence().await;
    assert_eq!((&answer["asked"], &answer["answered"]), (&3.into(), &2.into()), "{answer}");
    assert_eq!(one.subscribe("ben", ben.connection(), "more").await, StatusCode::NOT_FOUND, "its client opens another");
    assert_eq!(next(&mut watch).await, "2 of 2: ana");

    // Another hub joins, and a user comes there.
    let four = Node::start(open()).await;
    assert_eq!(next(&mut watch).await, "3 of 3: ana");
    let _cid = four.open("cid").await;
    assert_eq!(next(&mut watch).await, "+cid");
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
