//! Streams at rest have no task of their own: one writer serves many of them.

use std::{
    future::{IntoFuture, pending},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http_body::Frame;
use tokio::time::timeout;
use tower::util::MapResponseLayer;

use crate::fixture::{Fixture, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

/// A layer's body around a stream's body, which fails at one word.
struct Brittle(Body);

impl http_body::Body for Brittle {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            let data = frame.data_ref().expect("there are no trailers");
            assert!(!String::from_utf8_lossy(data).contains("poison"), "the layer panics");
        }
        frame
    }
}

#[tokio::test]
async fn a_layer_that_panics_ends_its_stream_and_no_other() {
    let layer = MapResponseLayer::new(|response: Response| response.map(|body| Body::new(Brittle(body))));
    let serve = move |listener, app: axum::Router| tidings::serve(listener, app.layer(layer)).into_future();
    let fixture = Fixture::serving(|hub| hub, serve).await;
    let mut poisoned = fixture.stream("ana", &[("channels", "news:1")]).await;
    let mut beside = fixture.stream("bob", &[("channels", "news:2")]).await;
    for round in 0..3 {
        fixture.publish("news:1", round).await;
        poisoned.hears(round).await;
        fixture.publish("news:2", round).await;
        beside.hears(round).await;
    }
    fixture.publish("news:1", "poison").await;
    eventually(|| fixture.hub.stats().connections == 1).await;
    fixture.publish("news:2", "tea").await;
    beside.hears("tea").await;
}

#[tokio::test]
async fn they_end_with_their_server() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.publish("news:1", "tea").await;
    stream.hears("tea").await;
    let hub = fixture.hub.clone();
    drop(fixture);
    eventually(|| hub.stats().connections == 0).await;
}

#[tokio::test]
async fn a_server_that_stops_cuts_those_that_do_not_end_in_time() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (returned, has_returned) = tokio::sync::oneshot::channel();
    let serve = |listener, app| async move {
        let stopped = async { stopped.await.unwrap_or(()) };
        let serving = tidings::serve(listener, app).with_graceful_shutdown(stopped);
        serving.shutdown_timeout(Duration::from_millis(100)).await?;
        returned.send(()).unwrap();
        pending().await
    };
    let fixture = Fixture::serving(|hub| hub, serve).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.publish("news:1", "tea").await;
    stream.hears("tea").await;
    stop.send(()).unwrap();
    timeout(PATIENCE, has_returned).await.expect("in time").unwrap();
    eventually(|| fixture.hub.stats().connections == 0).await;
}

/// A stream that was behind has a task for a second, and then rests again; it receives everything all the while.
#[tokio::test]
async fn a_stream_that_has_caught_up_receives_the_next_events() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let filler = "x".repeat(60_000);
    for _ in 0..200 {
        fixture.publish("news:1", &*filler).await;
    }
    for _ in 0..200 {
        stream.hears(&*filler).await;
    }
    let caught_up = Instant::now();
    while caught_up.elapsed() < Duration::from_millis(1_500) {
        fixture.publish("news:1", "tea").await;
        stream.hears("tea").await;
    }
}
