//! `tidings::serve` on other listeners than TCP's, and the maximal age of connections.

use std::time::{Duration, Instant};

use axum::{
    Router,
    extract::{ConnectInfo, Request},
    routing::get,
};
use tidings::{Hub, HubBuilder, Routes};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::fixture::{Fixture, auth, event};

async fn app() -> (Hub, Router) {
    let hub = Hub::builder().build().await.unwrap();
    let address = |request: Request| async move {
        request.extensions().get::<ConnectInfo<std::net::SocketAddr>>().is_some().to_string()
    };
    let routes = Routes::new(hub.clone(), auth()).into_router();
    (hub, Router::new().nest("/api/events", routes).route("/has-address", get(address)))
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_carries_streams() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let (hub, app) = app().await;
    let serve = tidings::serve(tokio::net::UnixListener::bind(&path).unwrap(), app);
    assert_eq!(serve.local_addr().unwrap().as_pathname(), Some(&*path));
    tokio::spawn(serve.into_future());

    let mut socket = tokio::net::UnixStream::connect(&path).await.unwrap();
    socket.write_all(b"GET /has-address HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("\r\n\r\nfalse"), "{answer}");

    let mut socket = tokio::net::UnixStream::connect(&path).await.unwrap();
    let request = "GET /api/events?channels=news:* HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n";
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(socket).lines();
    let mut read_until = async |text: &str| while !lines.next_line().await.unwrap().unwrap().contains(text) {};
    read_until("event: connected").await;
    // Many events follow one another, so the stream has left hyper by then.
    for number in 0..100 {
        hub.publish(event("news:1", format!("number {number}."))).await.unwrap();
        read_until(&format!("number {number}.")).await;
    }
    hub.drain(Duration::ZERO).await;
    read_until("event: closing").await;
}

#[tokio::test]
async fn a_server_says_where_it_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(tidings::serve(listener, Router::new()).local_addr().unwrap(), address);
}

#[tokio::test]
async fn settings_that_mean_for_ever_harm_nothing() {
    let serve = |listener, app| {
        let serve = tidings::serve(listener, app).connection_age(Duration::MAX).head_timeout(Duration::MAX);
        let serve = serve.idle_timeout(Duration::MAX).stall_timeout(Duration::MAX).shutdown_timeout(Duration::MAX);
        serve.into_future()
    };
    let hub = |hub: HubBuilder| {
        let hub = hub.publish_deadline(Duration::MAX).revocation_life(Duration::MAX).window_age(Duration::MAX);
        hub.heartbeat(Duration::MAX).stall_timeout(Duration::MAX).retry(Duration::MAX)
    };
    let fixture = Fixture::serving(hub, serve).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.publish("news:1", 1).await;
    assert_eq!(stream.event().await["payload"], 1);
}

async fn aging(age: Duration) -> Fixture {
    let heartbeat = Duration::from_millis(100);
    let serve = move |listener, app| tidings::serve(listener, app).connection_age(age).into_future();
    Fixture::serving(|hub| hub.heartbeat(heartbeat), serve).await
}

#[tokio::test]
async fn a_stream_whose_connection_is_old_ends_and_loses_nothing() {
    let fixture = aging(Duration::from_secs(1)).await;
    let started = Instant::now();
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let closing = loop {
        let frame = stream.next().await;
        if frame.event != "heartbeat" {
            break frame;
        }
    };
    assert_eq!(closing.event, "closing");
    assert_eq!((closing.data["reason"].as_str(), closing.data["retryMs"].as_u64()), (Some("drain"), Some(0)));
    assert!(started.elapsed() >= Duration::from_millis(900), "{:?}", started.elapsed());
    assert!(stream.try_next().await.is_none(), "closing is the last frame");
    fixture.publish("news:1", "meanwhile").await;
    let since = stream.connected.id.clone();
    let mut again = fixture.stream("ana", &[("channels", "news:1"), ("lastEventId", &since)]).await;
    again.hears("meanwhile").await;
}

#[tokio::test]
async fn an_old_connection_takes_no_further_request() {
    let fixture = aging(Duration::from_secs(1)).await;
    let mut socket = tokio::net::TcpStream::connect(fixture.address).await.unwrap();
    let request = b"GET /api/events/check HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n";
    let started = Instant::now();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let age = started.elapsed();
    assert!(age >= Duration::from_millis(900) && age < Duration::from_secs(5), "{age:?}");
}
