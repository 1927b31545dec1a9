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
        tidings::serve(listener, app).head_timeout(Duration::from_millis(500)).head_bytes(8 << 10).into_future()
    };
    Fixture::serving(|hub| hub, serve).await
}

/// Sends these bytes and nothing more, and returns all that comes until the server closes, next to a stream that goes on.
async fn answer_to(head: &[u8]) -> String {
    let fixture = fixture().await;
    let mut bystander = fixture.stream("bob", &[("channels", "news:1")]).await;
    let mut socket = TcpStream::connect(fixture.address).await.unwrap();
    socket.write_all(head).await.unwrap();
    let mut answer = Vec::new();
    let closed = timeout(Duration::from_secs(20), socket.read_to_end(&mut answer)).await;
    // A reset is as good an end as any.
    let _ = closed.expect("the server closes");
    fixture.publish("news:1", "goes on").await;
    bystander.hears("goes on").await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn one_that_is_too_large_is_answered_431() {
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
async fn one_that_does_not_end_is_given_up_and_told_why() {
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
async fn one_that_does_not_begin_is_given_up() {
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
async fn what_is_no_http_is_answered_400() {
    let answer = answer_to(b"\x00\x01\x02 hello\r\n\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
}
