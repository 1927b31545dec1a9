//! What is refused when a log is opened, and what a hub does while its server is down, hangs, or comes back.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use axum::{
    http::{StatusCode, header::RETRY_AFTER},
    response::IntoResponse,
};
use tidings::{
    Event, Hub, PublishError,
    engine::{AppendError, Engine, Limit, Location, ReadError, conformance::entry_on},
};
use tidings_redis::{OpenErrorKind, Redis};
use tidings_servers::Redis as Server;
use tokio::time::sleep;

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().expect("a Redis server"));

async fn command(server: &Server, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (name, arguments) = words.split_first().unwrap();
    let _: redis::Value = redis::cmd(name).arg(arguments).query_async(&mut connection).await.unwrap();
}

async fn refusal(url: &str, name: &str) -> OpenErrorKind {
    let error = Redis::builder(url).name(name).open().await.unwrap_err();
    let told = format!("{error} {:?}", std::error::Error::source(&error));
    assert!(!told.contains("s3cret"), "{told}");
    error.kind()
}

#[tokio::test]
async fn a_server_that_cannot_hold_a_log_is_refused_by_kind() {
    let url = &SERVER.url();
    for (url, name, kind) in [
        ("no url", "tidings", OpenErrorKind::Settings),
        (url, "a name}", OpenErrorKind::Settings),
        (url, "", OpenErrorKind::Settings),
        ("redis://:s3cret@127.0.0.1:1", "tidings", OpenErrorKind::Unreachable),
    ] {
        assert_eq!(refusal(url, name).await, kind, "{url} {name:?}");
    }
    let secret = Server::with(&["--requirepass", "other"]).unwrap();
    assert_eq!(refusal(&secret.url(), "tidings").await, OpenErrorKind::Denied);
    let wrong = secret.url().replace("redis://", "redis://:s3cret@");
    assert_eq!(refusal(&wrong, "tidings").await, OpenErrorKind::Denied);
    let small = Server::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]).unwrap();
    assert_eq!(refusal(&small.url(), "tidings").await, OpenErrorKind::Evicts);
    let replica = Server::with(&["--replicaof", &format!("127.0.0.1 {}", SERVER.port())]).unwrap();
    assert_eq!(refusal(&replica.url(), "tidings").await, OpenErrorKind::ReadOnly);
    let cluster = Server::with(&["--cluster-enabled", "yes"]).unwrap();
    assert_eq!(refusal(&cluster.url(), "tidings").await, OpenErrorKind::Cluster);
    Redis::builder(url).name("newer").open().await.unwrap();
    command(&SERVER, &["HSET", "{newer}head", "version", "99"]).await;
    assert_eq!(refusal(url, "newer").await, OpenErrorKind::Newer);
}

/// Waits until the hub is healthy or unhealthy. Returns how long that took.
async fn until(hub: &Hub, healthy: bool) -> Duration {
    let began = Instant::now();
    while hub.is_healthy() != healthy {
        assert!(began.elapsed() < Duration::from_secs(30), "healthy: {}", !healthy);
        sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

fn event(number: usize) -> Event {
    Event::new("news", "said", &number).unwrap().key(format!("key-{number}")).unwrap()
}

/// Publishes with the same key until the event is acknowledged.
async fn publish(hub: &Hub, number: usize) -> tidings::Receipt {
    for _ in 0..200 {
        match hub.publish(event(number)).await {
            Ok(receipt) => return receipt,
            Err(PublishError::Refused(_) | PublishError::Unknown(_)) => sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{number} was never acknowledged");
}

async fn check_applied(hub: &Hub, last: tidings::Cursor) {
    let began = Instant::now();
    while hub.cursor() != last {
        assert!(began.elapsed() < Duration::from_secs(20), "{} of {last}", hub.cursor());
        sleep(Duration::from_millis(20)).await;
    }
}

async fn two_hubs(server: &Server) -> (Hub, Hub) {
    let hub = async || {
        let engine = Redis::open(server.url()).await.unwrap();
        Hub::builder().engine(engine).publish_deadline(Duration::from_secs(1)).build().await.unwrap()
    };
    let (one, other) = (hub().await, hub().await);
    until(&one, true).await;
    until(&other, true).await;
    (one, other)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_go_on_by_themselves_after_their_server_was_killed() {
    let server = Server::start().unwrap();
    let (one, other) = two_hubs(&server).await;
    let before = publish(&one, 0).await.cursor;
    check_applied(&other, before).await;
    server.kill().unwrap();
    let refused = one.publish(event(1)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused(_) | PublishError::Unknown(_)), "{refused}");
    assert!(until(&other, false).await < Duration::from_secs(6));
    tokio::task::block_in_place(|| server.restart()).unwrap();
    let after = publish(&one, 1).await.cursor;
    assert_eq!((after.epoch, after.seq), (before.epoch, before.seq + 1));
    check_applied(&other, after).await;
    until(&one, true).await;
    until(&other, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_tell_that_their_server_hangs_and_go_on_when_it_does() {
    let server = Server::start().unwrap();
    let (one, other) = two_hubs(&server).await;
    let before = publish(&one, 0).await.cursor;
    check_applied(&other, before).await;
    server.pause().unwrap();
    let began = Instant::now();
    let unknown = one.publish(event(1)).await.unwrap_err();
    assert!(matches!(unknown, PublishError::Unknown(_)), "the event may have been stored: {unknown}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(until(&other, false).await < Duration::from_secs(6));
    server.resume().unwrap();
    until(&one, true).await;
    until(&other, true).await;
    let after = publish(&one, 1).await.cursor;
    assert_eq!(after.seq, before.seq + 1);
    check_applied(&other, after).await;
}

/// A server without a file comes back empty. That is another log, and hubs continue in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_empty_has_another_log() {
    let server = Server::with(&["--appendonly", "no"]).unwrap();
    let (one, other) = two_hubs(&server).await;
    let before = publish(&one, 0).await.cursor;
    check_applied(&other, before).await;
    server.kill().unwrap();
    tokio::task::block_in_place(|| server.restart()).unwrap();
    let after = publish(&one, 1).await.cursor;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!(after.seq, 1);
    check_applied(&other, after).await;
}

/// It is unknown whether an append that no replica has survives.
#[tokio::test]
async fn a_record_that_no_replica_has_is_not_acknowledged() {
    let engine = Redis::builder(SERVER.url()).name("alone").replicas(1).open().await.unwrap();
    let began = Instant::now();
    let outcome = engine.append(vec![entry_on("news", "1")], Duration::from_millis(300)).await;
    assert!(matches!(outcome, Err(AppendError::Unknown(_))), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// One record was deleted and another one replaced. All other records are read, and the damage is reported.
#[tokio::test]
async fn records_that_are_missing_are_told_as_damage() {
    let engine = Redis::builder(SERVER.url()).name("damaged").open().await.unwrap();
    let base = engine.bounds().await.unwrap().base();
    let entries: Vec<_> = (0..10).map(|number| entry_on(&format!("room:{number}"), "1")).collect();
    let receipts = engine.append(entries, Duration::from_secs(10)).await.unwrap();
    command(&SERVER, &["XDEL", "{damaged}log", "3-0", "4-0", "10-0"]).await;
    let (mut after, mut read, mut told) = (base, Vec::new(), Vec::new());
    while after != receipts[9].cursor {
        match engine.read(after, Limit { records: 100, bytes: usize::MAX }).await {
            Ok(page) => {
                read.extend(page.iter().map(|record| record.seq));
                let last = page.last().expect("more follows");
                after = tidings::Cursor { seq: last.seq, tag: last.tag, ..after };
            }
            Err(ReadError::Damaged { through, keys: None }) => {
                assert_eq!(engine.locate(&[through]).await.unwrap(), [Location::Held]);
                told.push((after.seq + 1, through.seq));
                after = through;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((read, told), (vec![1, 2, 5, 6, 7, 8, 9], vec![(3, 4), (10, 10)]));
}

/// Publishes until the server is seen to refuse a connection; nothing is acknowledged meanwhile.
async fn until_a_redial_is_refused(hub: &Hub, number: usize) -> Duration {
    let began = Instant::now();
    loop {
        let error = hub.publish(event(number)).await.expect_err("the server is gone");
        assert!(matches!(error, PublishError::Refused(_) | PublishError::Unknown(_)), "{error}");
        let told = format!("{error:?}");
        if matches!(error, PublishError::Refused(_)) && told.to_lowercase().contains("refused (os error") {
            return began.elapsed();
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{told}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Neither acknowledged nor stored, until it can be; the hub that could not store it delivers what it has.
async fn check_refused(hub: &Hub, number: usize, before: tidings::Cursor) {
    let refused = hub.publish(event(number)).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused(_)), "nothing was stored: {refused:?}");
    let answer = refused.into_response();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(RETRY_AFTER), "{answer:?}");
    let stored = hub.cursor();
    assert_eq!(stored, before, "nothing that was refused arrives");
}

/// What stood still for ever elsewhere (centrifugo#1189): the first connection after the server's end is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the times are what an operator asks for")]
async fn hubs_go_on_by_themselves_after_a_refused_redial() {
    let server = Server::start().unwrap();
    let (one, other) = two_hubs(&server).await;
    let before = publish(&one, 0).await.cursor;
    check_applied(&other, before).await;
    server.kill().unwrap();
    let refused = until_a_redial_is_refused(&one, 1).await;
    // Both tails have dialled by then, too: they do so half a second after they broke.
    sleep(Duration::from_millis(700)).await;
    let began = Instant::now();
    tokio::task::block_in_place(|| server.restart()).unwrap();
    let (started, last) = (began.elapsed(), publish(&one, 1).await.cursor);
    check_applied(&other, last).await;
    assert_eq!(last.seq, before.seq + 1);
    let (went_on, healthy) = (began.elapsed(), until(&other, true).await);
    println!(
        "Redis: refused after {refused:?}; up again in {started:?}, delivered by the other hub after {went_on:?}, healthy {healthy:?} later"
    );
    assert!(went_on < started + Duration::from_secs(5), "{went_on:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_memory_is_full_acknowledges_nothing_and_hubs_go_on_afterwards() {
    let server = Server::start().unwrap();
    let (one, other) = two_hubs(&server).await;
    let before = publish(&one, 0).await.cursor;
    check_applied(&other, before).await;
    check_applied(&one, before).await;
    command(&server, &["CONFIG", "SET", "maxmemory", "1"]).await;
    check_refused(&one, 1, before).await;
    assert!(other.is_healthy() && one.is_healthy(), "what is there can be read");
    command(&server, &["CONFIG", "SET", "maxmemory", "0"]).await;
    let after = publish(&one, 1).await.cursor;
    assert_eq!(after.seq, before.seq + 1);
    check_applied(&other, after).await;
}

/// A fail-over makes the server a replica while hubs run; of a master that is not there, so that it keeps what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_becomes_read_only_acknowledges_nothing_and_hubs_go_on_afterwards() {
    let server = Server::start().unwrap();
    let (one, other) = two_hubs(&server).await;
    let before = publish(&one, 0).await.cursor;
    check_applied(&other, before).await;
    check_applied(&one, before).await;
    command(&server, &["REPLICAOF", "127.0.0.1", "1"]).await;
    check_refused(&one, 1, before).await;
    command(&server, &["REPLICAOF", "NO", "ONE"]).await;
    let after = publish(&one, 1).await.cursor;
    assert_eq!(after.seq, before.seq + 1);
    check_applied(&other, after).await;
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_unreachable() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://:s3cret@{}", silent.local_addr().unwrap());
    let began = Instant::now();
    assert_eq!(refusal(&url, "tidings").await, OpenErrorKind::Unreachable);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
