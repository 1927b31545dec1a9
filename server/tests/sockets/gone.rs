//! Vanished clients: peers that read nothing or have disappeared, however their streams are served, and peers that only
//! seem so.

use std::{future::IntoFuture, net::SocketAddr, process::Command, time::Duration};

use axum::{Router, routing::get, serve::ListenerExt};
use serde_json::json;
use tidings::{Hub, Routes, auth::Auth};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use crate::fixture::{Fixture, auth, event, eventually};

const STALL: Duration = Duration::from_millis(500);

/// Opens a stream over HTTP/1.1 and reads its first bytes. The kernel buffers only little for it.
async fn open(address: SocketAddr, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    let mut socket = socket.connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 64];
    socket.read_exact(&mut some).await.unwrap();
    socket
}

/// Publishes much more than the kernel buffers.
async fn flood(hub: &Hub) {
    for _ in 0..100 {
        let events: Vec<_> = (0..10).map(|_| event("news:1", "x".repeat(16 << 10))).collect();
        hub.publish_all(events).await.unwrap();
    }
}

/// One of two streams on a connection has a window that stays shut.
async fn shuts_a_window(fixture: Fixture) {
    let http = reqwest::Client::builder()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(1_024)
        .http2_initial_connection_window_size(1 << 20)
        .build()
        .unwrap();
    let stream = async |channel: &str| {
        let url = format!("http://{}/api/events?channels={channel}", fixture.address);
        http.get(url).bearer_auth("ana").send().await.unwrap()
    };
    let (_shut, mut canary) = (stream("news:1").await, stream("news:2").await);
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 2).await;
    fixture.publish("news:1", "x".repeat(4_000)).await;
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        while !text.contains("all the same") {
            text.push_str(&String::from_utf8_lossy(&canary.chunk().await.unwrap().unwrap()));
        }
        canary
    });
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 1).await;
    fixture.publish("news:2", "all the same").await;
    reading.await.unwrap();
}

#[tokio::test]
async fn a_peer_of_http2_whose_window_stays_shut_is_dropped_and_its_other_streams_are_not() {
    shuts_a_window(Fixture::with(|hub| hub.heartbeat(Duration::from_millis(100)).stall_timeout(STALL)).await).await;
}

#[tokio::test]
async fn an_http2_stream_with_a_shut_window_makes_nobody_present_on_axum_serve() {
    let settings = |hub: tidings::HubBuilder| hub.heartbeat(Duration::from_millis(100)).stall_timeout(STALL);
    let serve = |listener, app: Router| axum::serve(listener, app).into_future();
    shuts_a_window(Fixture::serving(settings, serve).await).await;
}

#[tokio::test]
async fn a_stream_whose_bytes_are_not_taken_makes_nobody_present_on_axum_serve() {
    let settings = |hub: tidings::HubBuilder| {
        hub.heartbeat(Duration::from_millis(100)).stall_timeout(STALL).presence(tidings::PresenceSettings::default())
    };
    let serve = |listener, app: Router| axum::serve(listener, app).into_future();
    let fixture = Fixture::serving(settings, serve).await;
    let mut canary = fixture.canary().await;
    let _stalled = open(fixture.address, "/api/events?channels=news:1").await;
    eventually(|| fixture.hub.is_online("ana").unwrap()).await;
    flood(&fixture.hub).await;
    eventually(|| !fixture.hub.is_online("ana").unwrap()).await;
    canary.lives().await;
}

#[tokio::test]
async fn a_download_that_is_paused_for_longer_than_a_stream_may_is_not_cut() {
    const BYTES: usize = 8 << 20;
    let hub = Hub::builder().build().await.unwrap();
    let routes = Routes::new(hub.clone(), auth()).into_router();
    let app = Router::new().nest("/api/events", routes).route("/large", get(|| async { vec![b'x'; BYTES] }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(tidings::serve(listener, app).stall_timeout(STALL).into_future());
    let mut download = open(address, "/large").await;
    let _stalled = open(address, "/api/events?channels=news:1").await;
    eventually(|| hub.connection_count("ana").unwrap() == 1).await;
    flood(&hub).await;
    // This takes so long that the stream is dropped.
    eventually(|| hub.connection_count("ana").unwrap() == 0).await;
    let mut read = 64;
    let mut some = vec![0; 64 << 10];
    while read < BYTES {
        let count = download.read(&mut some).await.unwrap();
        assert!(count > 0, "cut after {read} bytes");
        read += count;
    }
    server.abort();
}

/// The network goes down under a stream: no FIN, no RST. It runs in a network namespace of its own; see below.
async fn in_a_network_that_goes_down<F>(serve: impl FnOnce(TcpListener, Router, Duration) -> F)
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let ip = |arguments: &[&str]| assert!(Command::new("ip").args(arguments).status().unwrap().success());
    ip(&["link", "set", "lo", "up"]);
    let settings = |hub: tidings::HubBuilder| hub.heartbeat(Duration::from_millis(200));
    let stall = Duration::from_secs(2);
    let fixture = Fixture::serving(settings, |listener, app| serve(listener, app, stall)).await;
    let _stream = open(fixture.address, "/api/events").await;
    assert!(fixture.hub.is_online("ana").unwrap());
    ip(&["link", "set", "lo", "down"]);
    let down = std::time::Instant::now();
    eventually(|| !fixture.hub.is_online("ana").unwrap()).await;
    eprintln!("gone after {:?}; the stall timeout is {stall:?}", down.elapsed());
    assert!(down.elapsed() < 4 * stall);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes its network down; the test below runs it"]
async fn network_down_under_our_server() {
    in_a_network_that_goes_down(|listener, app, stall| {
        tidings::serve(listener, app).stall_timeout(stall).into_future()
    })
    .await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes its network down; the test below runs it"]
async fn network_down_under_another_server() {
    in_a_network_that_goes_down(|listener, app, stall| {
        let listener = listener.tap_io(move |socket| {
            socket2::SockRef::from(&*socket).set_tcp_user_timeout(Some(stall)).unwrap();
        });
        axum::serve(listener, app).into_future()
    })
    .await;
}

/// The kernel by itself would wait for a quarter of an hour.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_vanished_is_gone_within_the_stall_timeout() {
    let probe = Command::new("unshare").args(["-rn", "ip", "link"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("not tried: `unshare -rn` and `ip` are not here");
        return;
    }
    for server in ["our", "another"] {
        let test = std::env::current_exe().unwrap();
        let name = format!("gone::network_down_under_{server}_server");
        let arguments = ["--exact", &name, "--ignored", "--nocapture"];
        let output = Command::new("unshare").arg("-rn").arg(test).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        eprintln!("under {server} server: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }
}

#[tokio::test]
async fn a_client_that_sends_a_few_heads_behind_its_stream_is_cut() {
    const KEPT: usize = 8 << 10;
    let fixture = Fixture::start().await;
    let mut canary = fixture.canary().await;
    // Requests that were kept during a stream are answered after it has ended.
    let mut modest = open(fixture.address, "/api/events?channels=news:1").await;
    modest.write_all(&vec![b'x'; KEPT / 2]).await.unwrap();
    let mut talkative = open(fixture.address, "/api/events?channels=news:1").await;
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 2).await;
    talkative.write_all(&vec![b'x'; 2 * KEPT]).await.unwrap();
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 1).await;
    fixture.publish("news:1", "goes on").await;
    let mut text = String::new();
    while !text.contains("goes on") {
        let mut some = [0; 1 << 10];
        let count = modest.read(&mut some).await.unwrap();
        assert!(count > 0, "cut: {text}");
        text.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    canary.lives().await;
}

#[tokio::test]
async fn the_body_of_a_caller_who_may_not_publish_is_not_read() {
    let auth = |_: tidings::auth::AuthRequest| async { tidings::auth::Identity::user("ana") };
    let auth = auth.allow("news:canary").unwrap();
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth).publish()).await;
    let mut canary = fixture.canary().await;
    let mut socket = TcpStream::connect(fixture.address).await.unwrap();
    let head = "POST /api/events/publish HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 403", "the answer comes before any byte of the body");
    canary.lives().await;
}

#[tokio::test]
async fn events_are_counted_before_they_are_read() {
    let fixture = Fixture::mounting(|hub| hub.batch_events(10), |hub| Routes::new(hub, auth()).publish()).await;
    let mut canary = fixture.canary().await;
    let many = format!("[{}1]", "1,".repeat(1_000_000));
    let answer = fixture.client("backend").post_text("/publish", "application/json", &many).await;
    answer.is_problem(400, "tooMany");
    let few = json!([{"channel": "news:1", "type": "t", "payload": 1}, 1]);
    fixture.client("backend").post("/publish", few).await.is_problem(400, "malformed");
    canary.lives().await;
}

#[tokio::test]
async fn anonymous_publishers_do_not_keep_each_others_events_out_by_a_key() {
    let auth = (|_: tidings::auth::AuthRequest| async { Ok(tidings::auth::Identity::anonymous()) })
        .allow_publish("chat:*")
        .unwrap()
        .allow("news:canary")
        .unwrap();
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth).publish()).await;
    let mut canary = fixture.canary().await;
    let client = fixture.client("");
    let said = |payload: &str| json!({"channel": "chat:1", "type": "said", "payload": payload, "key": "k1"});
    let first = client.post("/publish", said("one")).await.good();
    let second = client.post("/publish", said("another's")).await.good();
    let again = client.post("/publish", said("one")).await.good();
    let is_duplicate = [&first, &second, &again].map(|answer| answer[0]["duplicate"] == true);
    assert_eq!(is_duplicate, [false, false, true]);
    assert_eq!(first[0]["cursor"], again[0]["cursor"]);
    canary.lives().await;
}
