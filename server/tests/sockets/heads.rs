//! Request heads that no HTTP library would send.

use std::{future::IntoFuture, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::fixture::Fixture;

/// A server with narrow limits.
async fn fixture() -> Fixture {
    let serve = |listener, app| {
        let server = tidings::serve(listener, app).head_timeout(Duration::from_millis(500)).head_bytes(8 << 10);
        server.idle_timeout(Duration::from_secs(3)).into_future()
    };
    Fixture::serving(|hub| hub, serve).await
}

/// Sends these bytes and nothing more, and returns everything that arrives until the server closes, beside a stream
/// that must continue.
async fn answer_to(head: &[u8]) -> String {
    let fixture = fixture().await;
    let mut canary = fixture.canary().await;
    let mut socket = TcpStream::connect(fixture.address).await.unwrap();
    socket.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
    // A reset is an acceptable end, too.
    let _ = closed.expect("the server closes");
    canary.lives().await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered_431() {
    let head = format!("GET /api/events HTTP/1.1\r\nhost: a\r\ncookie: {}\r\n\r\n", "x".repeat(20 << 10));
    let answer = answer_to(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_url_that_is_too_long_is_refused() {
    let head = format!("GET /api/events?channels={} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(20 << 10));
    let answer = answer_to(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_answered_408() {
    let answer = answer_to(b"GET /api/events HTTP/1.1\r\nhost: a\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("application/problem+json") && answer.contains(r#""code":"requestTimeout""#), "{answer}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_without_a_word() {
    let answer = answer_to(b"GET /api/events/check HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_begin_is_given_up() {
    answer_to(b"").await;
}

#[tokio::test]
async fn half_a_preface_of_http_2_is_given_up() {
    answer_to(b"PRI * HTTP/2.0\r\n").await;
}

#[tokio::test]
async fn a_post_that_stops_after_its_first_letter_is_given_up() {
    answer_to(b"P").await;
}

#[tokio::test]
async fn a_request_that_is_no_http_is_answered_400() {
    let answer = answer_to(b"\x00\x01\x02 hello\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn a_connection_that_was_served_waits_for_longer_than_a_head_and_for_the_rest_of_one_too() {
    let fixture = fixture().await;
    let mut socket = TcpStream::connect(fixture.address).await.unwrap();
    let check = "GET /api/events/check HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n";
    for (pause, beginning) in [(0, 0), (1_200, 0), (450, 20)] {
        // A proxy keeps the connection for its next request, however that is cut.
        tokio::time::sleep(Duration::from_millis(pause)).await;
        socket.write_all(&check.as_bytes()[..beginning]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(if beginning > 0 { 200 } else { 0 })).await;
        socket.write_all(&check.as_bytes()[beginning..]).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\"ana\"}") {
            assert!(socket.read_buf(&mut answer).await.unwrap() > 0, "closed: {}", answer.escape_ascii());
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", answer.escape_ascii());
    }
}

#[tokio::test]
async fn a_connection_that_does_not_end_its_next_head_is_told_why() {
    let answer = answer_to(b"GET /api/events/check HTTP/1.1\r\nhost: a\r\n\r\nGET /").await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("HTTP/1.1 408 "), "{answer}");
}

/// The preface of HTTP/2, and settings.
const BEGINNING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn a_connection_of_http_2_without_a_request_is_closed() {
    answer_to(BEGINNING).await;
}

#[tokio::test]
async fn a_head_of_http_2_that_does_not_end_is_given_up() {
    answer_to(&[BEGINNING, &[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82]].concat()).await;
}

#[tokio::test]
async fn a_stream_over_http_2_is_no_idle_connection() {
    let fixture = fixture().await;
    let mut stream = fixture.client("ana").by_http2().stream(&[("channels", "news:1")]).await;
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    fixture.publish("news:1", "tea").await;
    stream.hears("tea").await;
}
