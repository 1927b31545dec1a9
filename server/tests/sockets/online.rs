//! Who is online, and draining.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{io::AsyncWriteExt, net::TcpSocket};

use crate::fixture::{Fixture, eventually};

#[tokio::test]
async fn a_hub_without_streams_has_no_users_online() {
    let fixture = Fixture::start().await;
    assert!(!fixture.hub.is_online("ana").unwrap() && !fixture.hub.is_device_online("ana", "laptop").unwrap());
    assert_eq!(fixture.hub.connection_count("ana").unwrap(), 0);
    let stats = fixture.hub.stats();
    assert_eq!((stats.connections, stats.users, stats.head), (0, 0, fixture.hub.cursor()));
}

#[tokio::test]
async fn streams_are_counted_per_user_and_devices_once_each() {
    let fixture = Fixture::start().await;
    let _streams = [
        fixture.stream("ana", &[("deviceId", "phone")]).await,
        fixture.stream("ana", &[("deviceId", "laptop"), ("sessionId", "tab1")]).await,
        fixture.stream("ana", &[("deviceId", "laptop"), ("sessionId", "tab2")]).await,
        fixture.stream("ana", &[]).await,
        fixture.stream("bob", &[("deviceId", "desk")]).await,
        fixture.stream("anonymous", &[]).await,
    ];
    let hub = &fixture.hub;
    assert_eq!((hub.connection_count("ana").unwrap(), hub.connection_count("bob").unwrap()), (4, 1));
    let devices: Vec<_> = hub.devices_online("ana").unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(devices, ["laptop", "phone"]);
    assert!(hub.is_online("ana").unwrap() && hub.is_device_online("ana", "phone").unwrap());
    assert!(!hub.is_device_online("ana", "desk").unwrap() && !hub.is_device_online("bob", "phone").unwrap());
    let stats = hub.stats();
    assert_eq!((stats.connections, stats.users), (6, 2));
}

#[tokio::test]
async fn a_stream_that_ends_is_no_longer_counted() {
    let fixture = Fixture::start().await;
    let leaves = fixture.stream("ana", &[("deviceId", "phone")]).await;
    let _stays = fixture.stream("ana", &[("deviceId", "laptop")]).await;
    drop(leaves);
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 1).await;
    assert!(
        !fixture.hub.is_device_online("ana", "phone").unwrap()
            && fixture.hub.is_device_online("ana", "laptop").unwrap()
    );
    drop(_stays);
    eventually(|| !fixture.hub.is_online("ana").unwrap()).await;
    let stats = fixture.hub.stats();
    assert_eq!((stats.connections, stats.users), (0, 0));
}

#[tokio::test]
async fn draining_says_closing_and_ends_every_stream() {
    let fixture = Fixture::start().await;
    let mut streams = [fixture.stream("ana", &[]).await, fixture.stream("bob", &[]).await];
    fixture.hub.drain(Duration::from_secs(20)).await;
    for stream in &mut streams {
        let closing = stream.named("closing").await;
        assert_eq!(closing.data["reason"], "drain");
        assert!(closing.data["retryMs"].as_u64().unwrap() < 1_000);
        assert!(stream.try_next().await.is_none(), "closing is the last frame");
    }
    assert_eq!(fixture.hub.stats().connections, 0);
}

#[tokio::test]
async fn while_draining_new_streams_are_refused() {
    let fixture = Fixture::start().await;
    fixture.hub.drain(Duration::ZERO).await;
    for path in ["", "/check"] {
        let answer = fixture.client("ana").get(path, &[]).await;
        answer.is_problem(503, "unavailable");
        assert!(answer.headers.contains_key("retry-after"));
    }
}

#[tokio::test]
async fn a_server_that_drains_the_hub_in_its_shutdown_signal_stops() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (done, returned) = tokio::sync::oneshot::channel();
    let hub = std::sync::Arc::new(std::sync::OnceLock::<tidings::Hub>::new());
    let to_drain = hub.clone();
    let signal: BoxFuture<'static, ()> = Box::pin(async move {
        stopped.await.unwrap();
        to_drain.get().unwrap().drain(Duration::from_secs(20)).await;
    });
    let fixture = Fixture::serving(
        |hub| hub,
        |listener, app| async move {
            let result = tidings::serve(listener, app).with_graceful_shutdown(signal).await;
            done.send(()).unwrap();
            result
        },
    )
    .await;
    hub.set(fixture.hub.clone()).unwrap();
    let mut stream = fixture.stream("ana", &[]).await;
    stop.send(()).unwrap();
    stream.named("closing").await;
    tokio::time::timeout(Duration::from_secs(20), returned).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_does_not_hold_up_the_shutdown() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (done, returned) = tokio::sync::oneshot::channel();
    let fixture = Fixture::serving(
        |hub| hub,
        |listener, app| async move {
            let signal = async { stopped.await.unwrap() };
            let serve = tidings::serve(listener, app).shutdown_timeout(Duration::ZERO);
            let result = serve.with_graceful_shutdown(signal).await;
            done.send(()).unwrap();
            result
        },
    )
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stalled = socket.connect(fixture.address).await.unwrap();
    let request = b"GET /api/events?channels=news:* HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n";
    stalled.write_all(request).await.unwrap();
    eventually(|| fixture.hub.is_online("ana").unwrap()).await;
    // More than the sockets in between can buffer; another stream has received all of it.
    let mut reading = fixture.stream("bob", &[("channels", "news:*")]).await;
    let filler = "x".repeat(60_000);
    for _ in 0..200 {
        fixture.publish("news:1", &*filler).await;
        reading.hears(&*filler).await;
    }
    fixture.hub.drain(Duration::ZERO).await;
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(20), returned).await.unwrap().unwrap();
    eventually(|| fixture.hub.stats().connections == 0).await;
}

#[tokio::test]
async fn the_figures_of_a_hub_are_counted() {
    use crate::fixture::event;
    let fixture = Fixture::start().await;
    let mut streams = [
        fixture.stream("ana", &[("channels", "news:1")]).await,
        fixture.stream("bob", &[("channels", "news:*")]).await,
    ];
    let events = ["one", "two"].map(|payload| event("news:1", payload));
    fixture.hub.publish_all(events).await.unwrap();
    for stream in &mut streams {
        stream.hears("one").await;
        stream.hears("two").await;
    }
    let mut lost = fixture.stream("ana", &[("lastEventId", "0.7.0")]).await;
    lost.gap("epoch").await;
    fixture.client("").get("/check", &[]).await.is_problem(401, "credentialsMissing");
    fixture.client("ana").get("/nowhere", &[]).await.is_problem(404, "notFound");
    let stats = fixture.hub.stats();
    assert_eq!((stats.published, stats.deliveries, stats.publish_time.count), (2, 4, 1));
    assert_eq!(
        stats.gaps.iter().map(|(reason, count)| (reason.as_str(), *count)).find(|(_, count)| *count > 0),
        Some(("epoch", 1))
    );
    let refusals: Vec<_> = stats.refusals.iter().map(|(code, count)| (code.as_str(), *count)).collect();
    assert_eq!(refusals, [("credentialsMissing", 1), ("notFound", 1)]);
    assert_eq!((stats.connections_behind, stats.lag, stats.publish_refused, stats.publish_unknown), (0, 0, 0, 0));
    let sent: usize = streams.iter().chain([&lost]).map(|stream| stream.raw.len()).sum();
    assert_eq!(stats.sent_bytes, sent as u64);
}

#[tokio::test]
async fn the_application_is_called_once_as_a_stream_comes_and_once_as_it_goes() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (came, went) = (calls.clone(), calls.clone());
    let fixture = Fixture::with(|hub| {
        hub.on_connect(move |hub, connection| {
            let user = connection.user_id.as_ref().unwrap();
            came.lock().unwrap().push(format!("{user} came, {}", hub.connection_count(user).unwrap()));
            panic!("a callback that panics ends no stream");
        })
        .on_disconnect(move |hub, connection| {
            let user = connection.user_id.as_ref().unwrap();
            let device = connection.device_id.as_ref().unwrap();
            went.lock().unwrap().push(format!("{user} went from {device}, {}", hub.connection_count(user).unwrap()));
        })
    })
    .await;
    let stream = fixture.stream("ana", &[("deviceId", "laptop"), ("channels", "news:1")]).await;
    fixture.client("ana").post("/poll", serde_json::json!({"channels": []})).await;
    drop(stream);
    eventually(|| calls.lock().unwrap().len() == 2).await;
    assert_eq!(*calls.lock().unwrap(), ["ana came, 1", "ana went from laptop, 0"]);
}
