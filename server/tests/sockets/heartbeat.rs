//! What an idle stream writes.

use std::time::Duration;

use serde_json::json;

use tidings::engine::Memory;

use crate::fixture::Fixture;

async fn fixture() -> Fixture {
    Fixture::with(|hub| hub.heartbeat(Duration::from_millis(40))).await
}

#[tokio::test]
async fn a_heartbeat_has_a_data_line_so_that_browsers_dispatch_it() {
    let fixture = fixture().await;
    let mut stream = fixture.stream("ana", &[]).await;
    assert_eq!(stream.connected.data["heartbeatMs"], 40);
    let heartbeat = stream.named("heartbeat").await;
    assert_eq!(heartbeat.data, json!({}));
    let raw = String::from_utf8(stream.raw).unwrap();
    assert!(raw.contains("event: heartbeat\ndata: {}\n\n"), "{raw}");
}

#[tokio::test]
async fn its_id_is_the_streams_position() {
    let fixture = fixture().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let receipt = fixture.publish("news:1", 1).await;
    while stream.next().await.event == "heartbeat" {}
    assert_eq!(stream.named("heartbeat").await.id, receipt.cursor.to_string());
}

#[tokio::test]
async fn its_id_moves_past_events_that_the_stream_does_not_match() {
    let fixture = fixture().await;
    let mut quiet = fixture.stream("ana", &[("channels", "news:1")]).await;
    let passed = fixture.publish("news:2", "not for this stream").await.cursor;
    for _ in 0..100 {
        let heartbeat = quiet.named("heartbeat").await;
        if heartbeat.id == passed.to_string() {
            return;
        }
    }
    panic!("after 100 heartbeats it stands at {} instead of {passed}", quiet.position());
}

#[tokio::test]
async fn a_stream_resumes_from_its_heartbeat() {
    let fixture = fixture().await;
    let mut quiet = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.publish("news:2", "not for this stream").await;
    let id = quiet.named("heartbeat").await.id;
    drop(quiet);
    fixture.publish("news:1", "missed").await;
    let mut again = fixture.stream("ana", &[("channels", "news:1"), ("lastEventId", &id)]).await;
    assert_eq!(again.connected.data["resumed"], true);
    again.hears("missed").await;
}

/// The stream has nothing pending, so it stands at the end of the log, however old its last event is.
#[tokio::test]
async fn a_quiet_stream_gets_no_gap_when_others_events_are_trimmed() {
    let small = Memory::builder().records(2).build();
    let fixture = Fixture::with(|hub| hub.engine(small).window_records(1)).await;
    let mut quiet = fixture.stream("ana", &[("channels", "news:1")]).await;
    let mut witness = fixture.stream("bob", &[("channels", "news:2")]).await;
    for n in 0..10 {
        fixture.publish("news:2", n).await;
        witness.hears(n).await;
    }
    fixture.publish("news:1", "at last").await;
    quiet.hears("at last").await;
}

#[tokio::test]
async fn a_stream_that_subscribes_after_trimmed_events_gets_no_gap() {
    let small = Memory::builder().records(2).build();
    let fixture = Fixture::with(|hub| hub.engine(small).window_records(1)).await;
    let mut quiet = fixture.stream("ana", &[]).await;
    let mut witness = fixture.stream("bob", &[("channels", "news:2")]).await;
    for n in 0..10 {
        fixture.publish("news:2", n).await;
        witness.hears(n).await;
    }
    let body = json!({"connectionId": quiet.connection_id(), "requestId": "r1", "channels": ["news:1"]});
    fixture.client("ana").post("/subscribe", body).await.good();
    quiet.named("subscribed").await;
}
