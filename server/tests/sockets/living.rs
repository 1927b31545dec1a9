//! At a limit, streams that a client reads win: streams that nobody reads are ended to make room.

use std::time::Duration;

use tidings::{Limits, Routes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::fixture::{Fixture, Stream, answering, auth, eventually};

const MOST: usize = 100;

async fn fixture(limits: impl FnOnce(Limits) -> Limits) -> Fixture {
    let limits = limits(Limits::default().challenge_timeout(Duration::from_millis(500)));
    Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth()).limits(limits)).await
}

/// Reads everything and answers nothing, like a proxy whose page has gone, or a plain `EventSource`.
async fn swallow(mut stream: Stream) -> (String, String) {
    let mut last = String::new();
    while let Some(frame) = stream.try_next().await {
        if frame.event == "closing" {
            return (frame.data["reason"].as_str().unwrap().to_owned(), last);
        }
        last.clone_from(&frame.id);
    }
    (String::new(), last)
}

#[tokio::test]
async fn a_stream_beyond_a_hundred_living_tabs_is_refused_and_ends_none() {
    let fixture = fixture(|limits| limits).await;
    let client = fixture.client("ana");
    let mut canary = fixture.canary().await;
    let mut tabs = JoinSet::new();
    for _ in 0..MOST {
        tabs.spawn(answering(client.clone(), client.stream(&[]).await));
    }
    client.get("", &[]).await.is_problem(429, "tooManyConnections");
    client.get("", &[]).await.is_problem(429, "tooManyConnections");
    assert_eq!(fixture.hub.connection_count("ana").unwrap(), MOST);
    assert!(tabs.try_join_next().is_none(), "none has ended");
    canary.lives().await;
}

#[tokio::test]
async fn unread_streams_end_for_one_that_comes() {
    let fixture = fixture(|limits| limits).await;
    let client = fixture.client("ana");
    let mut canary = fixture.canary().await;
    let mut dead = JoinSet::new();
    for _ in 0..MOST {
        dead.spawn(swallow(client.stream(&[]).await));
    }
    let living = client.stream(&[("channels", "news:1")]).await;
    let living = tokio::spawn(answering(client.clone(), living));
    assert_eq!(dead.join_next().await.unwrap().unwrap().0, "tooManyConnections");
    // This repeats as often as the page is reloaded.
    for _ in 0..30 {
        client.stream(&[]).await;
    }
    canary.lives().await;
    assert!(!living.is_finished(), "who answers stays");
}

#[tokio::test]
async fn a_stream_that_takes_no_byte_gives_its_place_away_before_its_socket_is_given_up() {
    let fixture = fixture(|limits| limits.connections_per_user(3)).await;
    let mut canary = fixture.canary().await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        let mut socket = TcpStream::connect(fixture.address).await.unwrap();
        let request = "GET /api/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut some = [0; 16];
        socket.read_exact(&mut some).await.unwrap();
        stalled.push(socket);
    }
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 3).await;
    fixture.client("ana").stream(&[]).await;
    canary.lives().await;
}

#[tokio::test]
async fn a_plain_event_source_that_was_ended_comes_back_and_misses_nothing() {
    let fixture = fixture(|limits| limits.connections_per_user(4)).await;
    let mut canary = fixture.canary().await;
    let client = fixture.client("ana");
    let mut plain = JoinSet::new();
    for _ in 0..4 {
        plain.spawn(swallow(client.stream(&[("channels", "news:1")]).await));
    }
    fixture.publish("news:1", "before").await;
    let newcomer = client.stream(&[("channels", "news:1")]).await;
    let (reason, last) = plain.join_next().await.unwrap().unwrap();
    assert_eq!(reason, "tooManyConnections");
    fixture.publish("news:1", "meanwhile").await;
    let mut back = client.stream(&[("channels", "news:1"), ("lastEventId", &last)]).await;
    back.hears("meanwhile").await;
    drop(newcomer);
    canary.lives().await;
}

#[tokio::test]
async fn the_limits_of_a_device_and_of_an_address_are_the_livings_too() {
    let fixture = fixture(|limits| limits.connections_per_device(2).connections_per_address(4)).await;
    let client = fixture.client("ana");
    let device = [("deviceId", "laptop")];
    let mut tabs = JoinSet::new();
    for _ in 0..2 {
        tabs.spawn(answering(client.clone(), client.stream(&device).await));
    }
    client.get("", &device).await.is_problem(429, "tooManyConnections");
    let mut guests = JoinSet::new();
    for _ in 0..2 {
        guests.spawn(swallow(fixture.client("anonymous").stream(&[]).await));
    }
    // The address is at its limit. Two of its four streams do not answer.
    fixture.client("bob").stream(&[]).await;
    assert_eq!(guests.join_next().await.unwrap().unwrap().0, "tooManyConnections");
    assert!(tabs.try_join_next().is_none());
}

#[tokio::test]
async fn no_more_than_a_few_wait_for_a_place() {
    let fixture = fixture(|limits| limits.connections_per_user(1).challenge_timeout(Duration::from_secs(60))).await;
    let mut canary = fixture.canary().await;
    let client = fixture.client("ana");
    let _dead = tokio::spawn(swallow(client.stream(&[]).await));
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        let client = client.clone();
        waiting.spawn(async move { client.get("", &[]).await });
    }
    for _ in 0..4 {
        waiting.join_next().await.unwrap().unwrap().is_problem(429, "tooManyConnections");
    }
    canary.lives().await;
}

#[tokio::test]
async fn opening_streams_has_a_rate() {
    let rate = tidings::Rate::per_second(1).burst(3);
    let fixture = fixture(|limits| limits.open_rate(rate)).await;
    let mut canary = fixture.canary().await;
    for _ in 0..3 {
        fixture.client("ana").stream(&[]).await;
    }
    fixture.client("ana").get("", &[]).await.is_problem(429, "tooManyRequests");
    fixture.client("bob").stream(&[]).await;
    for _ in 0..10 {
        // Behind a proxy all clients may have one address.
        fixture.client("anonymous").stream(&[]).await;
    }
    canary.lives().await;
}
