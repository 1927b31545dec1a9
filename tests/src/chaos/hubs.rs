//! Three hubs of one log behind a balancer without sticky sessions, in one process but over real sockets.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tidings::{
    Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::{Engine, Memory},
    peers::Peers,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use super::{
    habits::Deed,
    traffic::{Event, Interest, To},
    *,
};

/// A hub and its address.
struct Running {
    hub: tidings::Hub,
    address: SocketAddr,
}

/// A hub that authenticates by a token or by the user's name in the query.
async fn hub(engine: impl Engine, peers: Option<Arc<dyn Peers>>) -> Running {
    start(tidings::Hub::builder(), engine, peers).await
}

/// The same, with presence.
async fn hub_with_presence(engine: impl Engine, peers: Option<Arc<dyn Peers>>) -> Running {
    let presence = tidings::PresenceSettings::default().grace(Duration::from_millis(200));
    start(tidings::Hub::builder().presence(presence), engine, peers).await
}

async fn start(builder: tidings::HubBuilder, engine: impl Engine, peers: Option<Arc<dyn Peers>>) -> Running {
    let builder = builder.heartbeat(Duration::from_millis(100));
    let hub = builder.engine(engine).peers(peers).build().await.unwrap();
    let auth = (|request: AuthRequest| async move {
        let named = request.bearer().map(|_| "ana".to_owned());
        let user = named.or_else(|| request.query("user").map(|user| user.to_string()));
        Identity::user(user.ok_or(AuthError::Missing)?)
    })
    .allow("*")
    .unwrap()
    .allow_presence("*")
    .unwrap();
    let app = axum::Router::new().nest("/api/events", Routes::new(hub.clone(), auth).into_router());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { tidings::serve(listener, app).await });
    Running { hub, address }
}

/// A balancer that sends each connection to the next hub.
async fn balanced(hubs: &[Running]) -> String {
    let addresses: Vec<_> = hubs.iter().map(|hub| hub.address).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let next = AtomicUsize::new(0);
        while let Ok((mut client, _)) = listener.accept().await {
            let hub = addresses[next.fetch_add(1, Ordering::Relaxed) % addresses.len()];
            tokio::spawn(async move {
                let mut server = TcpStream::connect(hub).await?;
                copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    url
}

/// A recording of the traffic between hubs and the log server, each direction of a connection separately.
#[derive(Clone, Default)]
struct Recording(Arc<Mutex<Vec<Bytes>>>);

/// The traffic in one direction of one connection.
type Bytes = Arc<Mutex<Vec<u8>>>;

impl Recording {
    /// Starts a recording proxy in front of the server. Returns its port.
    async fn before(&self, server: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, recording) = (listener.local_addr().unwrap().port(), self.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (there, to_server) = TcpStream::connect(("127.0.0.1", server)).await.unwrap().into_split();
                let (here, to_client) = client.into_split();
                tokio::spawn(recording.clone().copy(here, to_server));
                tokio::spawn(recording.clone().copy(there, to_client));
            }
        });
        port
    }

    async fn copy(self, mut from: impl AsyncReadExt + Unpin, mut to: impl AsyncWriteExt + Unpin) {
        let recorded = Bytes::default();
        self.0.lock().push(recorded.clone());
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            recorded.lock().extend_from_slice(&buffer[..count]);
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }

    fn holds(&self, text: &str) -> bool {
        self.0.lock().iter().any(|recorded| holds(&recorded.lock(), text))
    }
}

/// Whether the bytes contain a text, as it is or in hexadecimal digits, as PostgreSQL may write bytes.
fn holds(bytes: &[u8], text: &str) -> bool {
    let hexadecimal: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    [text.as_bytes(), hexadecimal.as_bytes()]
        .iter()
        .any(|needle| bytes.windows(needle.len()).any(|window| window == *needle))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

async fn post(address: SocketAddr, path: &str, token: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("http://{address}/api/events{path}"));
    let request = request.header("content-type", "application/json").bearer_auth(token).body(body.to_string());
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status().as_u16(), answer.bytes().await.unwrap());
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Reads the stream until it has sent this text.
async fn until(stream: &mut reqwest::Response, heard: &mut String, text: &str) {
    let reading = async {
        while !heard.contains(text) {
            heard.push_str(&String::from_utf8_lossy(&stream.chunk().await.unwrap().expect("the stream goes on")));
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading).await.unwrap_or_else(|_| panic!("{text} in {heard}"));
}

/// Runs three hubs of a log, and searches the traffic through the log server and its files for credentials.
async fn credentials_rest_nowhere(hubs: [Running; 3], recording: &Recording, folder: &Path) {
    const CANARY: &str = "canary-credential-7f3a9c51";
    const MARK: &str = "marker-in-an-event-8d2b";
    let [one, two, three] = &hubs;
    let open = reqwest::Client::new().get(format!("http://{}/api/events", one.address)).bearer_auth(CANARY);
    let (mut stream, mut heard) = (open.send().await.unwrap(), String::new());
    until(&mut stream, &mut heard, "connectionId").await;
    let (_, rest) = heard.split_once("\"connectionId\":\"").unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    for (number, other) in [two, three, two, three].into_iter().enumerate() {
        let channel = format!("news:{number}");
        let call = json!({"connectionId": id, "requestId": format!("r{number}"), "channels": [channel]});
        let (status, answer) = post(other.address, "/subscribe", CANARY, &call).await;
        assert_eq!((status, &answer["accepted"]), (200, &json!([channel])), "{answer}");
        until(&mut stream, &mut heard, &format!("\"requestId\":\"r{number}\"")).await;
        other.hub.publish(tidings::Event::new(&*channel, "x", &format!("{MARK}{number}")).unwrap()).await.unwrap();
        until(&mut stream, &mut heard, &format!("{MARK}{number}")).await;
        let here = json!({"connectionId": id});
        assert_eq!(post(other.address, "/alive", CANARY, &here).await.0, 204);
        assert_eq!(post(other.address, "/refresh", CANARY, &here).await.0, 200);
        let gone = json!({"connectionId": id, "channels": [channel]});
        assert!((200..300).contains(&post(other.address, "/unsubscribe", CANARY, &gone).await.0));
    }
    // This shows that the search works: events do pass through and are stored.
    assert!(recording.holds(MARK), "events pass through the server");
    let in_files = |text| files(folder).iter().any(|file| holds(&std::fs::read(file).unwrap_or_default(), text));
    assert!(in_files(MARK), "events are in the server's files");
    assert!(!recording.holds(CANARY), "a credential passed through the log server in the clear");
    assert!(!in_files(CANARY), "a credential is in a file of the log server");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_through_postgres_are_answered_and_leave_no_credential() {
    let server = tidings_servers::Postgres::start().unwrap();
    let recording = Recording::default();
    let url = format!("postgres://tidings@127.0.0.1:{}/tidings", recording.before(server.port()).await);
    let open = async || {
        let engine = tidings_postgres::Postgres::open(&url).await.unwrap();
        let peers = engine.peers();
        hub(engine, peers).await
    };
    let hubs = [open().await, open().await, open().await];
    credentials_rest_nowhere(hubs, &recording, server.directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_through_redis_are_answered_and_leave_no_credential() {
    let server = tidings_servers::Redis::start().unwrap();
    let recording = Recording::default();
    let url = format!("redis://127.0.0.1:{}", recording.before(server.port()).await);
    let open = async || {
        let engine = tidings_redis::Redis::open(&url).await.unwrap();
        let peers = engine.peers();
        hub(engine, peers).await
    };
    let hubs = [open().await, open().await, open().await];
    credentials_rest_nowhere(hubs, &recording, server.directory()).await;
}

/// A watcher at one hub receives who comes and goes at the others, and who was at one that falls silent, which that line leads to.
async fn presence_is_of_all_hubs(hubs: [Running; 3], line: &Proxy) {
    let [one, two, three] = hubs;
    for hub in [&one, &two, &three] {
        while hub.hub.cluster().stats().await.answered < 3 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    let client = reqwest::Client::new();
    let open = async |hub: &Running, user: &str| {
        let url = format!("http://{}/api/events?user={user}&channels=room:1", hub.address);
        let (mut stream, mut heard) = (client.get(url).send().await.unwrap(), String::new());
        until(&mut stream, &mut heard, "connectionId").await;
        (stream, heard)
    };
    let url = format!("http://{}/api/events", one.address);
    let (mut watcher, mut heard) = (client.get(url).bearer_auth("token").send().await.unwrap(), String::new());
    until(&mut watcher, &mut heard, "connectionId").await;
    let (_, rest) = heard.split_once("\"connectionId\":\"").unwrap();
    let id = rest.split('"').next().unwrap().to_owned();
    let bob = open(&two, "bob").await;
    let watch = json!({"connectionId": id, "revision": 1, "channels": ["room:1"]});
    assert_eq!(post(two.address, "/presence", "token", &watch).await.0, 200);
    let here = r#""here":[{"userId":"bob","deviceId":null}],"asked":3,"answered":3"#;
    until(&mut watcher, &mut heard, here).await;
    let _eve = open(&three, "eve").await;
    until(&mut watcher, &mut heard, r#""join":[{"userId":"eve","deviceId":null}]"#).await;
    drop(bob);
    until(&mut watcher, &mut heard, r#""leave":[{"userId":"bob","deviceId":null}]"#).await;
    line.half_open(100);
    let silent = Instant::now();
    until(&mut watcher, &mut heard, r#""asked":3,"answered":2"#).await;
    // Two hubs are left, and the user of the third has gone with it.
    until(&mut watcher, &mut heard, r#""here":[],"asked":2,"answered":2"#).await;
    assert!(silent.elapsed() < Duration::from_secs(12), "{:?}", silent.elapsed());
    heard.clear();
    line.end_half_open();
    until(&mut watcher, &mut heard, r#"{"userId":"eve","deviceId":null}"#).await;
}

/// Three hubs, the last of them behind a line of its own to the server.
async fn three_hubs(server: u16, open: impl AsyncFn(u16) -> Running) -> ([Running; 3], Proxy) {
    let line = Proxy::before(([127, 0, 0, 1], server).into(), 1, Shared::new().tally.clone()).await.unwrap();
    ([open(server).await, open(server).await, open(line.address().port()).await], line)
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_of_all_hubs_on_postgres() {
    let server = tidings_servers::Postgres::start().unwrap();
    let open = async |port: u16| {
        let url = format!("postgres://tidings@127.0.0.1:{port}/tidings");
        let engine = tidings_postgres::Postgres::open(url).await.unwrap();
        let peers = engine.peers();
        hub_with_presence(engine, peers).await
    };
    let (hubs, line) = three_hubs(server.port(), open).await;
    presence_is_of_all_hubs(hubs, &line).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_is_of_all_hubs_on_redis() {
    let server = tidings_servers::Redis::start().unwrap();
    let open = async |port: u16| {
        let engine = tidings_redis::Redis::open(format!("redis://127.0.0.1:{port}")).await.unwrap();
        let peers = engine.peers();
        hub_with_presence(engine, peers).await
    };
    let (hubs, line) = three_hubs(server.port(), open).await;
    presence_is_of_all_hubs(hubs, &line).await;
}

/// A client behind a balancer subscribes while its stream is at one hub and its calls go to another. Returns how often
/// it had to reconnect.
async fn reconnects(has_peers: bool) -> u64 {
    let log = Memory::default();
    let peers = || has_peers.then(|| log.peers()).flatten();
    let hubs = [hub(log.clone(), peers()).await, hub(log.clone(), peers()).await, hub(log.clone(), peers()).await];
    let base = balanced(&hubs).await;
    let shared = Shared::new();
    let phase = watch::Sender::new(Phase::Chaos);
    let interest = |pattern: &str| Interest { addressed: false, pattern: pattern.into() };
    let habits = Habits::listening_to(interest("news:1"))
        .then(Deed::Listen { interest: interest("news:2"), since: false })
        .then(Deed::Listen { interest: interest("news:3"), since: false });
    let client = Client::new(shared.clone(), Person::new("client".into(), 0), base, habits);
    let client = tokio::spawn(client.run(phase.subscribe()));
    let met = async |what: &str, is_so: &dyn Fn() -> bool| {
        let wait = async {
            while !is_so() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect(what);
    };
    met("it subscribes", &|| shared.tally.get(Count::Subscribed) == 3).await;
    met("all is confirmed", &|| shared.ledger.lock().outstanding() == 0).await;
    let confirmed = shared.tally.get(Count::Reconnected);
    for number in 0..30 {
        let channel = format!("news:{}", 1 + number % 3);
        let event = Event { channel: channel.clone(), to: To::Channel, except: None };
        let id = shared.ledger.lock().publish(event);
        let receipt =
            hubs[number % 3].hub.publish(tidings::Event::new(&*channel, "chaos", &id).unwrap()).await.unwrap();
        shared.ledger.lock().acknowledged(id, receipt.cursor, receipt.duplicate);
        met("it arrives", &|| shared.ledger.lock().outstanding() == 0).await;
    }
    assert_eq!(
        shared.tally.get(Count::Reconnected),
        confirmed,
        "the client stays where it is, because no call is outstanding"
    );
    phase.send_replace(Phase::Over);
    client.await.unwrap();
    assert_eq!(shared.ledger.lock().audit(), []);
    confirmed
}

#[tokio::test]
async fn a_client_keeps_its_stream_where_hubs_reach_each_other() {
    assert_eq!(reconnects(true).await, 0);
}

/// The new stream has the channel in its URL, so no call has to reach the right hub.
#[tokio::test]
async fn a_client_opens_one_stream_for_each_subscription_where_hubs_do_not_reach_each_other() {
    assert!((1..=2).contains(&reconnects(false).await));
}

/// The connections of one hub to its log server carry nothing any more, and none of them breaks. The hub reports it,
/// and opens new connections by itself.
async fn recovers_from_half_open_connections(
    server: u16,
    open: impl AsyncFn(u16) -> (Arc<dyn Engine>, Arc<dyn Engine>),
) {
    let shared = Shared::new();
    let proxy = Proxy::before(([127, 0, 0, 1], server).into(), 1, shared.tally.clone()).await.unwrap();
    let (behind, direct) = open(proxy.address().port()).await;
    let build = async |engine| tidings::Hub::builder().engine(engine).build().await.unwrap();
    let (one, other) = (build(behind).await, build(direct).await);
    let until = async |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    };
    until("it follows", &|| one.is_healthy()).await;
    proxy.half_open(100);
    let receipt = other.publish(tidings::Event::new("news:1", "x", &1).unwrap()).await.unwrap();
    let caught_up = until("it recovers by itself", &|| one.cursor() == receipt.cursor).await;
    assert!(caught_up < Duration::from_secs(10), "{caught_up:?}");
    until("it says so", &|| one.is_healthy()).await;
    let receipt = one.publish(tidings::Event::new("news:1", "x", &2).unwrap()).await.unwrap();
    until("both have it", &|| other.cursor() == receipt.cursor && one.cursor() == receipt.cursor).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_recovers_from_half_open_connections_to_postgres() {
    let server = tidings_servers::Postgres::start().unwrap();
    let open = async |port: u16| {
        let url = format!("postgres://tidings@127.0.0.1:{port}/tidings");
        let behind = tidings_postgres::Postgres::open(url).await.unwrap();
        let direct = tidings_postgres::Postgres::open(server.url()).await.unwrap();
        (Arc::new(behind) as Arc<dyn Engine>, Arc::new(direct) as Arc<dyn Engine>)
    };
    recovers_from_half_open_connections(server.port(), open).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_recovers_from_half_open_connections_to_redis() {
    let server = tidings_servers::Redis::start().unwrap();
    let open = async |port: u16| {
        let behind = tidings_redis::Redis::open(format!("redis://127.0.0.1:{port}")).await.unwrap();
        let direct = tidings_redis::Redis::open(server.url()).await.unwrap();
        (Arc::new(behind) as Arc<dyn Engine>, Arc::new(direct) as Arc<dyn Engine>)
    };
    recovers_from_half_open_connections(server.port(), open).await;
}
