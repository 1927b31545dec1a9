//! Publishes whose caller was cancelled.

use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;
use tidings::{Hub, PublishError, engine::Memory};
use tokio::time::timeout;

use crate::fixture::{Fixture, Held, Stream, event};

async fn held() -> (Fixture, Held, Stream) {
    let engine = Held::new(Memory::default());
    let hold = engine.clone();
    let fixture = Fixture::with(|hub| hub.engine(hold)).await;
    let stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    (fixture, engine, stream)
}

#[tokio::test]
async fn given_up_after_the_engine_stored_it_it_is_delivered_in_its_place() {
    let (fixture, engine, mut stream) = held().await;
    fixture.publish("news:1", 1).await;
    engine.after.shut();
    assert!(fixture.hub.publish(event("news:1", 2)).now_or_never().is_none(), "it waits, and is dropped");
    engine.after.open();
    fixture.publish("news:1", 3).await;
    for n in [1, 2, 3] {
        stream.hears(n).await;
    }
}

#[tokio::test]
async fn given_up_before_the_engine_stored_it_it_leaves_no_trace() {
    let (fixture, engine, mut stream) = held().await;
    engine.before.shut();
    assert!(fixture.hub.publish(event("news:1", "given up")).now_or_never().is_none());
    engine.before.open();
    let receipts = [fixture.publish("news:1", 1).await, fixture.publish("news:1", 2).await];
    stream.hears(1).await;
    stream.hears(2).await;
    assert_eq!(receipts[1].cursor.seq, receipts[0].cursor.seq + 1);
}

#[tokio::test]
async fn an_append_that_hangs_delays_no_other() {
    let (fixture, engine, mut stream) = held().await;
    engine.before.shut();
    let hub = fixture.hub.clone();
    let mut hangs = Box::pin(hub.publish(event("news:1", "late")));
    assert!(hangs.as_mut().now_or_never().is_none());
    engine.before.open();
    // Its turn has come, but its future is not polled.
    fixture.publish("news:1", "early").await;
    stream.hears("early").await;
    hangs.await.unwrap();
    stream.hears("late").await;
}

#[tokio::test]
async fn a_caller_over_http_that_hangs_up_loses_nothing() {
    let (fixture, engine, mut stream) = held().await;
    engine.after.shut();
    let client = fixture.client("backend");
    let body = json!({"channel": "news:1", "type": "t", "payload": "not waited for"});
    let call = tokio::spawn(async move { client.post("/publish", body).await });
    stream.hears("not waited for").await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    engine.after.open();
    fixture.publish("news:1", "next").await;
    stream.hears("next").await;
}

#[tokio::test]
async fn at_the_deadline_it_is_unknown_and_a_retry_with_its_key_is_stored_once() {
    let engine = Held::new(Memory::default());
    let hold = engine.clone();
    let fixture = Fixture::with(|hub| hub.engine(hold).publish_deadline(Duration::from_millis(20))).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let keyed = event("news:1", "once").key("k1").unwrap();
    engine.after.shut();
    let error = fixture.hub.publish(keyed.clone()).await.unwrap_err();
    assert!(matches!(error, PublishError::Unknown(_)), "{error:?}");
    engine.after.open();
    let receipt = fixture.hub.publish(keyed).await.unwrap();
    assert!(receipt.duplicate);
    fixture.publish("news:1", "sentinel").await;
    let frame = stream.named("message").await;
    assert_eq!((&frame.data["payload"], frame.id), (&json!("once"), receipt.cursor.to_string()));
    stream.hears("sentinel").await;
}

#[tokio::test(start_paused = true)]
async fn a_hub_whose_engine_is_silent_about_its_metadata_is_not_waited_for_without_end() {
    let engine = Held::new(Memory::default());
    engine.metadata.shut();
    let built = timeout(Duration::from_secs(60), Hub::builder().engine(engine).build()).await;
    assert!(built.expect("building a hub has a deadline").is_err());
}

mod on_success {
    use super::*;

    #[tokio::test]
    async fn the_news_follows_a_change_that_was_made() {
        let (fixture, _, mut stream) = held().await;
        let change = async { Ok::<_, ()>("row 7") };
        let published = fixture.hub.on_success(event("news:1", 1), change).await.unwrap();
        assert_eq!(published.value, "row 7");
        assert!(!published.receipt.unwrap().duplicate);
        stream.hears(1).await;
    }

    #[tokio::test]
    async fn a_change_that_failed_is_not_told() {
        let (fixture, _, mut stream) = held().await;
        let change = async { Err::<(), _>("conflict") };
        assert_eq!(fixture.hub.on_success(event("news:1", "never"), change).await.unwrap_err(), "conflict");
        fixture.publish("news:1", "sentinel").await;
        stream.hears("sentinel").await;
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_after_the_change_does_not_silence_it() {
        let (fixture, engine, mut stream) = held().await;
        engine.before.shut();
        let change = async { Ok::<_, ()>(()) };
        assert!(fixture.hub.on_success(event("news:1", 1), change).now_or_never().is_none());
        engine.before.open();
        stream.hears(1).await;
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_before_the_change_publishes_nothing() {
        let (fixture, _, mut stream) = held().await;
        let change = std::future::pending::<Result<(), ()>>();
        assert!(fixture.hub.on_success(event("news:1", "never"), change).now_or_never().is_none());
        fixture.publish("news:1", "sentinel").await;
        stream.hears("sentinel").await;
    }
}
