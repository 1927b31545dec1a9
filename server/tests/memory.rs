//! Bounds on memory, measured on the process. Each is measured in a process of its own, because memory that one test
//! has freed is reused by the next.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use sockets::fixture::Canary;
use tidings::{
    Event, Hub, Limits, PresenceSettings, PublishError, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::{Engine, Memory, Sqlite},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};
use tower::ServiceExt;

#[allow(dead_code, unused_imports, reason = "this test uses only the canary")]
mod sockets {
    pub(crate) mod fixture;
}

const MIB: usize = 1 << 20;
/// The environment variable that names the shape a process measures.
const SHAPE: &str = "TIDINGS_TEST_SHAPE";

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// By how many bytes the process has grown.
fn grown(before: usize) -> usize {
    resident().saturating_sub(before)
}

fn auth() -> impl Auth {
    let auth = |request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) };
    auth.allow("*").unwrap().allow_presence("*").unwrap()
}

fn routes(hub: &Hub) -> Router {
    let limits = Limits::default().connections_per_user(100_000).open_rate(Rate::per_second(u32::MAX));
    Router::new().nest("/api/events", Routes::new(hub.clone(), auth()).limits(limits).into_router())
}

#[cfg(target_os = "linux")]
#[test]
fn memory_stays_within_its_bounds() {
    let mut failed = false;
    for name in [
        "the_window_takes_what_it_is_set_to",
        "the_memory_engine_takes_what_it_is_set_to",
        "a_stream_that_lags_and_is_not_read_takes_no_more_than_64_kib",
        "watchers_of_presence_that_do_not_read_hold_no_lists",
        "a_backlog_takes_the_memory_that_it_is_set_to",
        "bodies_that_come_slowly_take_what_has_come_and_give_it_back",
        "publishing_and_trimming_take_no_more_and_more",
    ] {
        let shapes = if name.starts_with("the_") { shapes().len() } else { 1 };
        for shape in 0..shapes {
            let test = std::env::current_exe().unwrap();
            let arguments = ["--exact", name, "--ignored", "--nocapture"];
            let mut command = Command::new(test);
            // glibc gives each thread an arena of its own, and keeps in each what its busiest moment took. Which thread
            // is busy when is chance, and nothing of what is measured.
            command.args(arguments).env(SHAPE, shape.to_string()).env("MALLOC_ARENA_MAX", "1");
            let output = command.output().unwrap();
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            failed |= !output.status.success();
        }
    }
    assert!(!failed);
}

/// Shapes of events, more than fit a bound: the name, the length of the payload, and whether the channels are spread.
fn shapes() -> [(&'static str, usize, bool); 3] {
    [("many channels, small", 100, true), ("one channel, small", 100, false), ("one channel, 4 KiB", 4 << 10, false)]
}

fn shape() -> (&'static str, usize, bool) {
    shapes()[std::env::var(SHAPE).map_or(0, |shape| shape.parse().unwrap())]
}

async fn fill(hub: &Hub, engine: &Memory, bytes: usize, is_spread: bool, total: usize) {
    let filler = "x".repeat(bytes);
    for batch in 0..total / (bytes + 400) / 500 {
        let channel = |number: usize| {
            if is_spread { format!("project:{batch}:item:{number}") } else { "project:1:item:1".to_owned() }
        };
        let events = (0..500).map(|number| Event::new(channel(number), "changed", &filler).unwrap());
        let last = hub.publish_all(events).await.unwrap().last().unwrap().cursor;
        // The hub applies everything.
        met(|| hub.cursor().seq >= last.seq).await;
    }
    // The engine trims everything beyond its bounds.
    while engine.trim().await.unwrap().more {}
}

/// Waits for a condition that has no event to wait for.
async fn met(condition: impl Fn() -> bool) {
    let met = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), met).await.expect("in time");
}

/// Waits until a figure no longer changes.
async fn settled(figure: impl Fn() -> u64) {
    let (mut last, mut same) = (figure(), 0);
    while same < 20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let now = figure();
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn the_window_takes_what_it_is_set_to() {
    let set = 64 * MIB;
    let (shape, bytes, is_spread) = shape();
    let before = resident();
    // The engine's records are shared with the window where both hold them.
    let engine = Memory::builder().records(3_000).build();
    let hub = Hub::builder().engine(engine.clone()).window_bytes(set).window_records(usize::MAX).build();
    let hub = hub.await.unwrap();
    fill(&hub, &engine, bytes, is_spread, 2 * set).await;
    within(set, grown(before), &format!("window of 64 MiB, {shape}"));
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn the_memory_engine_takes_what_it_is_set_to() {
    let set = 64 * MIB;
    let (shape, bytes, is_spread) = shape();
    let before = resident();
    let engine = Memory::builder().records(usize::MAX).bytes(set).build();
    let hub = Hub::builder().engine(engine.clone()).window_records(10).build().await.unwrap();
    // Somewhat more is published than the hub keeps, so that trimmed records are added to the summary.
    fill(&hub, &engine, bytes, is_spread, set).await;
    within(set, grown(before), &format!("engine::Memory of 64 MiB, {shape}"));
}

/// Records are allocated by one thread and freed by another, which leaves holes that are reused. The summary of trimmed
/// records grows too, up to the tags of 262,144 records, because there is one channel: more than these are published
/// before the measurement begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by itself, above"]
async fn publishing_and_trimming_take_no_more_and_more() {
    let set = 8 * MIB;
    let engine = Memory::builder().records(usize::MAX).bytes(set).build();
    let hub = Hub::builder().engine(engine.clone()).window_bytes(set).window_records(usize::MAX).build();
    let hub = hub.await.unwrap();
    fill(&hub, &engine, 100, false, 20 * set).await;
    let full = resident();
    fill(&hub, &engine, 100, false, 24 * set).await;
    eprintln!("after 20 and after 44 windows: +{} KiB", grown(full) >> 10);
    // Ten bytes for each of the 400,000 records would be more.
    assert!(grown(full) <= 3 * MIB, "{}", grown(full));
}

/// Checks the growth since the first batch of a process, including everything that publishing takes.
fn within(set: usize, taken: usize, what: &str) {
    eprintln!("{what}: {:.1} MiB", taken as f64 / MIB as f64);
    assert!(taken <= set + set / 10, "{what}: {taken}");
    assert!(taken >= set - set / 10, "{what}: {taken}, which is less than it may take");
}

/// More events are published than a disk takes that another program has locked; the excess ones are refused for now.
#[tokio::test]
#[ignore = "run by itself, above"]
async fn a_backlog_takes_the_memory_that_it_is_set_to() {
    const EACH: usize = 60 << 10;
    let directory = tempfile::tempdir().unwrap();
    let engine = Sqlite::builder(directory.path().join("log")).backlog_bytes(32 * MIB).open().unwrap();
    let outsider = rusqlite::Connection::open(engine.path()).unwrap();
    let hub = Hub::builder().engine(engine).window_records(10).build().await.unwrap();
    // The entry takes no spare capacity, like one that comes over HTTP.
    let event = Arc::new(Event::new("a", "t", &"x".repeat(EACH)).unwrap());
    hub.publish(event.as_ref().clone()).await.unwrap();
    let mut canary = Canary::new(&hub, serve(&hub).await).await;
    let before = resident();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut publishing = JoinSet::new();
    let refused = Arc::new(AtomicUsize::new(0));
    let all = 10 * 32 * MIB / EACH;
    for _ in 0..all {
        let (hub, refused, event) = (hub.clone(), refused.clone(), event.clone());
        publishing.spawn(async move {
            // The event is made only when it is published, so that refused events are gone by then.
            let published = hub.publish(event.as_ref().clone()).await;
            refused.fetch_add(usize::from(matches!(published, Err(PublishError::Overloaded))), Ordering::Relaxed);
            published.is_ok()
        });
    }
    // Admitted events wait; all others have been answered.
    settled(|| refused.load(Ordering::Relaxed) as u64).await;
    let taken = grown(before);
    outsider.execute_batch("ROLLBACK").unwrap();
    let stored = publishing.join_all().await.into_iter().filter(|is_stored| *is_stored).count();
    eprintln!("{stored} of {all} events of 60 KiB waited: {} MiB of 32", taken / MIB);
    assert!(taken <= 32 * MIB + 32 * MIB / 4, "{taken}");
    assert!(stored * 2 * EACH >= 24 * MIB, "{stored}");
    canary.lives().await;
}

/// A body that arrives byte by byte takes only what has arrived, and nothing after it is given up.
#[tokio::test]
#[ignore = "run by itself, above"]
async fn bodies_that_come_slowly_take_what_has_come_and_give_it_back() {
    const BODIES: usize = 20;
    const BYTES: usize = 128 << 10;
    const HEAD: &str = "POST /api/events/publish HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\
                        content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let hub = Hub::builder().build().await.unwrap();
    let limits = Limits::default().body_timeout(Duration::from_secs(60));
    let routes = Routes::new(hub.clone(), auth().allow_publish("*").unwrap()).publish().limits(limits);
    let app = Router::new().nest("/api/events", routes.into_router());
    // The kernel buffers next to nothing that the server has not read.
    let little = || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.set_send_buffer_size(4 << 10).unwrap();
        socket
    };
    let socket = little();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(64).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { tidings::serve(listener, app).await });
    let mut canary = Canary::new(&hub, address).await;
    let mut sockets = Vec::new();
    for _ in 0..BODIES {
        let mut socket = little().connect(address).await.unwrap();
        socket.write_all(HEAD.as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    let chunks = "1\r\nx\r\n".repeat(BYTES / 16);
    let before = resident();
    for _ in 0..16 {
        for socket in &mut sockets {
            socket.write_all(chunks.as_bytes()).await.unwrap();
        }
    }
    settled(|| (resident() >> 16) as u64).await;
    let taken = grown(before);
    canary.lives().await;
    drop(sockets);
    settled(|| (resident() >> 16) as u64).await;
    let left = grown(before);
    eprintln!("{BODIES} bodies of 128 KiB, byte by byte: {} KiB; given up: {} KiB", taken >> 10, left >> 10);
    // The arrived bytes, possibly twice while they are copied to a larger buffer, and the buffers of as many
    // connections.
    assert!((BODIES * BYTES / 2..=3 * BODIES * BYTES).contains(&taken), "{taken}");
    assert!(left <= taken / 2, "{left} of {taken}");
}

/// A stream whose reader takes nothing beyond the head.
async fn open(address: std::net::SocketAddr, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = format!("GET /api/events?{query} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    socket
}

async fn serve(hub: &Hub) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = routes(hub);
    tokio::spawn(async move { tidings::serve(listener, app).await });
    address
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn a_stream_that_lags_and_is_not_read_takes_no_more_than_64_kib() {
    const STREAMS: usize = 200;
    let engine = Memory::builder().bytes(256 * MIB).build();
    let hub = Hub::builder().engine(engine).window_records(10).build().await.unwrap();
    let filler = "x".repeat(1_000);
    let first = hub.publish(Event::new("a", "t", &filler).unwrap()).await.unwrap().cursor;
    for _ in 0..20 {
        let events = (0..500).map(|_| Event::new("a", "t", &filler).unwrap());
        hub.publish_all(events).await.unwrap();
    }
    let address = serve(&hub).await;
    let mut canary = Canary::new(&hub, address).await;
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(open(address, "channels=b").await);
    }
    met(|| hub.stats().connections == STREAMS + 1).await;
    settled(|| hub.stats().sent_bytes).await;
    let idle = resident();
    for _ in 0..STREAMS {
        streams.push(open(address, &format!("channels=a&lastEventId={first}")).await);
    }
    met(|| hub.stats().connections_behind == STREAMS).await;
    settled(|| hub.stats().sent_bytes).await;
    assert_eq!(hub.stats().connections, 2 * STREAMS + 1);
    let each = grown(idle) / STREAMS;
    eprintln!("a lagging stream whose client does not read: {} KiB", each >> 10);
    // Pages read for all of the streams are kept once, up to 16 MiB.
    assert!(grown(idle) <= 16 * MIB + STREAMS * (64 << 10), "{each}");
    canary.lives().await;
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn watchers_of_presence_that_do_not_read_hold_no_lists() {
    let hub = Hub::builder().presence(PresenceSettings::default()).build().await.unwrap();
    let app = routes(&hub);
    let rooms: Vec<_> = (0..100).map(|number| format!("room:{number}")).collect();
    let mut members = Vec::new();
    for number in 0..1_000 {
        let uri = format!("/api/events?channels={}&deviceId=device-{number:0>30}", rooms.join(","));
        let request = Request::get(uri).header("authorization", format!("Bearer user-{number:0>30}"));
        let mut body = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        members.push(body);
    }
    let address = serve(&hub).await;
    let mut canary = Canary::new(&hub, address).await;
    let before = resident();
    let mut watchers = Vec::new();
    for _ in 0..40 {
        let mut socket = open(address, "").await;
        let mut text = String::new();
        while !text.contains("\"connectionId\":\"") || !text.ends_with('\n') {
            let mut some = [0; 512];
            let count = socket.read(&mut some).await.unwrap();
            text.push_str(&String::from_utf8_lossy(&some[..count]));
        }
        let id = text.split("\"connectionId\":\"").nth(1).unwrap().split('"').next().unwrap();
        let body = serde_json::json!({"connectionId": id, "revision": 1, "channels": rooms}).to_string();
        let request = Request::post("/api/events/presence").header("authorization", "Bearer ana");
        let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
        watchers.push(socket);
    }
    settled(|| resident() as u64 / MIB as u64).await;
    eprintln!("40 watchers of 100 rooms with 1,000 members: {} MiB", grown(before) / MIB);
    assert!(grown(before) <= 60 * MIB, "{}", grown(before));
    canary.lives().await;
}
