//! Bounds on memory, by what the process holds. Each is measured in a process of its own, for what one has used another uses again.

use std::{process::Command, time::Duration};

use axum::{Router, body::Body, http::Request};
use http_body_util::BodyExt;
use tidings::{
    Event, Hub, Limits, PresenceSettings, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::Memory,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};
use tower::ServiceExt;

const MIB: usize = 1 << 20;
/// Which of the shapes a process measures.
const SHAPE: &str = "TIDINGS_TEST_SHAPE";

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

/// By how much the process has grown.
fn grown(before: usize) -> usize {
    resident().saturating_sub(before)
}

fn auth() -> impl Auth {
    let auth = |request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) };
    auth.allow("*").unwrap().allow_presence("*").unwrap()
}

fn routes(hub: &Hub) -> Router {
    let limits = Limits::default().connections_per_user(100_000).open_rate(Rate::per_second(u32::MAX));
    Routes::new(hub.clone(), auth()).limits(limits).into_router()
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
    ] {
        let shapes = if name.ends_with("is_set_to") { shapes().len() } else { 1 };
        for shape in 0..shapes {
            let test = std::env::current_exe().unwrap();
            let arguments = ["--exact", name, "--ignored", "--nocapture"];
            let output = Command::new(test).args(arguments).env(SHAPE, shape.to_string()).output().unwrap();
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            failed |= !output.status.success();
        }
    }
    assert!(!failed);
}

/// Events of several shapes, more than a bound takes; what they are, and how many bytes the payload has.
fn shapes() -> [(&'static str, usize, bool); 3] {
    [("many channels, small", 100, true), ("one channel, small", 100, false), ("one channel, 4 KiB", 4 << 10, false)]
}

fn shape() -> (&'static str, usize, bool) {
    shapes()[std::env::var(SHAPE).map_or(0, |shape| shape.parse().unwrap())]
}

async fn fill(hub: &Hub, bytes: usize, is_spread: bool, total: usize) {
    let filler = "x".repeat(bytes);
    for batch in 0..total / (bytes + 400) / 500 {
        let channel = |number: usize| {
            if is_spread { format!("project:{batch}:item:{number}") } else { "project:1:item:1".to_owned() }
        };
        let events = (0..500).map(|number| Event::new(channel(number), "changed", &filler).unwrap());
        hub.publish_all(events).await.unwrap();
        // The hub reads on.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
}

/// How much the process holds that has published one batch already: what it takes to do so, whatever is kept, is no part of the bounds.
async fn before(bytes: usize, is_spread: bool) -> usize {
    let hub = Hub::builder().engine(Memory::builder().records(1).build()).window_records(1).build().await.unwrap();
    fill(&hub, bytes, is_spread, 500 * (bytes + 400)).await;
    drop(hub);
    resident()
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn the_window_takes_what_it_is_set_to() {
    let set = 64 * MIB;
    let (shape, bytes, is_spread) = shape();
    let before = before(bytes, is_spread).await;
    // Its records are the window's, as far as they are in both.
    let engine = Memory::builder().records(3_000).build();
    let hub = Hub::builder().engine(engine).window_bytes(set).window_records(usize::MAX).build().await.unwrap();
    fill(&hub, bytes, is_spread, 2 * set).await;
    let taken = grown(before);
    eprintln!("window of 64 MiB, {shape}: {} MiB", taken / MIB);
    assert!(taken <= set + set / 10, "{shape}: {taken}");
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn the_memory_engine_takes_what_it_is_set_to() {
    let set = 64 * MIB;
    let (shape, bytes, is_spread) = shape();
    let before = before(bytes, is_spread).await;
    let engine = Memory::builder().records(usize::MAX).bytes(set).build();
    let hub = Hub::builder().engine(engine).window_records(10).build().await.unwrap();
    // Somewhat more than it keeps: what has left is summed up beside it.
    fill(&hub, bytes, is_spread, set).await;
    let taken = grown(before);
    eprintln!("engine::Memory of 64 MiB, {shape}: {} MiB", taken / MIB);
    assert!(taken <= set + set / 10, "{shape}: {taken}");
}

/// A stream whose reader takes nothing beyond the head.
async fn open(address: std::net::SocketAddr, query: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = format!("GET /?{query} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n");
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
    let mut streams = Vec::new();
    for _ in 0..STREAMS {
        streams.push(open(address, "channels=b").await);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = resident();
    for _ in 0..STREAMS {
        streams.push(open(address, &format!("channels=a&lastEventId={first}")).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(hub.stats().connections, 2 * STREAMS);
    let each = grown(idle) / STREAMS;
    eprintln!("a stream that lags and is not read: {} KiB", each >> 10);
    // What is read for all of them is kept once, up to 16 MiB.
    assert!(grown(idle) <= 16 * MIB + STREAMS * (64 << 10), "{each}");
}

#[tokio::test]
#[ignore = "run by itself, above"]
async fn watchers_of_presence_that_do_not_read_hold_no_lists() {
    let hub = Hub::builder().presence(PresenceSettings::default()).build().await.unwrap();
    let app = routes(&hub);
    let rooms: Vec<_> = (0..100).map(|number| format!("room:{number}")).collect();
    let mut members = Vec::new();
    for number in 0..1_000 {
        let uri = format!("/?channels={}&deviceId=device-{number:0>30}", rooms.join(","));
        let request = Request::get(uri).header("authorization", format!("Bearer user-{number:0>30}"));
        let mut body = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().into_body();
        body.frame().await.unwrap().unwrap();
        members.push(body);
    }
    let address = serve(&hub).await;
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
        let request = Request::post("/presence").header("authorization", "Bearer ana");
        let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
        assert_eq!(app.clone().oneshot(request).await.unwrap().status(), 200);
        watchers.push(socket);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    eprintln!("40 watchers of 100 rooms with 1,000 members: {} MiB", grown(before) / MIB);
    assert!(grown(before) <= 60 * MIB, "{}", grown(before));
}
