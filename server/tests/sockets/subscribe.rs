//! Channels of a live stream.

use serde_json::{Value, json};

use crate::fixture::{Fixture, Stream, event};

/// Subscribes a user to events addressed to them after this cursor. Returns the answer.
async fn subscribe_addressed(fixture: &Fixture, user: &str, stream: &Stream, since: &str) -> Value {
    let connection = stream.connection_id();
    let body =
        json!({"connectionId": connection, "requestId": "r1", "channels": [], "addressed": true, "since": since});
    fixture.client(user).post("/subscribe", body).await.good()
}

/// Subscribes Ana. Returns the answer.
async fn subscribe(fixture: &Fixture, stream: &Stream, channels: &[&str], since: Option<&str>) -> Value {
    let mut body = json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": channels});
    if let Some(since) = since {
        body["since"] = since.into();
    }
    fixture.client("ana").post("/subscribe", body).await.good()
}

async fn unsubscribe(fixture: &Fixture, stream: &Stream, channels: &[&str]) -> Value {
    let body = json!({"connectionId": stream.connection_id(), "requestId": "r2", "channels": channels});
    fixture.client("ana").post("/unsubscribe", body).await.good()
}

#[tokio::test]
async fn a_channel_is_received_from_subscribed_on() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[]).await;
    let before = fixture.publish("news:1", "before").await;
    let answer = subscribe(&fixture, &stream, &["news:1"], None).await;
    assert_eq!(answer, json!({"accepted": ["news:1"], "rejected": []}));
    let subscribed = stream.named("subscribed").await;
    let cursor = before.cursor.to_string();
    assert_eq!(subscribed.data, json!({"requestId": "r1", "channels": ["news:1"], "cursor": cursor}));
    fixture.publish("news:1", "after").await;
    stream.hears("after").await;
}

#[tokio::test]
async fn each_channel_is_answered_by_itself() {
    let fixture = Fixture::with(|hub| hub.channels_per_connection(2)).await;
    let mut stream = fixture.stream("ana", &[("channels", "timer:ana")]).await;
    let answer = subscribe(&fixture, &stream, &["admin", "news:1", "news:2"], None).await;
    let rejected = json!([
        {"channel": "admin", "code": "forbidden"},
        {"channel": "news:2", "code": "tooManyChannels"},
    ]);
    assert_eq!(answer, json!({"accepted": ["news:1"], "rejected": rejected}));
    assert_eq!(stream.named("subscribed").await.data["channels"], json!(["news:1"]));
}

#[tokio::test]
async fn when_nothing_is_accepted_nothing_is_confirmed() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    subscribe(&fixture, &stream, &["admin"], None).await;
    fixture.publish("admin", "secret").await;
    fixture.publish("news:1", "sentinel").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn an_active_channel_is_confirmed_again_and_takes_no_room() {
    let fixture = Fixture::with(|hub| hub.channels_per_connection(2)).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1,news:2")]).await;
    let answer = subscribe(&fixture, &stream, &["news:1", "news:2"], None).await;
    assert_eq!(answer, json!({"accepted": ["news:1", "news:2"], "rejected": []}));
    assert_eq!(stream.named("subscribed").await.data["channels"], json!(["news:1", "news:2"]));
    fixture.publish("news:1", "once").await;
    fixture.publish("news:1", "sentinel").await;
    stream.hears("once").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn backfill_comes_first_then_subscribed_then_live() {
    let fixture = Fixture::start().await;
    let since = fixture.hub.cursor().to_string();
    let mut stream = fixture.stream("ana", &[("channels", "timer:ana")]).await;
    let start = stream.position();
    let (one, _) = (fixture.publish("news:1", 1).await, fixture.publish("news:9", "not asked for").await);
    let two = fixture.publish("news:*", 2).await;
    subscribe(&fixture, &stream, &["news:1"], Some(&since)).await;
    for (receipt, payload) in [(one, 1), (two, 2)] {
        let backfill = stream.named("backfill").await;
        assert_eq!((&backfill.data["payload"], &backfill.data["requestId"]), (&json!(payload), &json!("r1")));
        assert_eq!(backfill.data["cursor"], receipt.cursor.to_string());
        assert_eq!(backfill.id, start.to_string(), "backfill moves no cursor");
    }
    assert_eq!(stream.named("subscribed").await.data["cursor"], two.cursor.to_string());
    fixture.publish("news:1", 3).await;
    stream.hears(3).await;
}

#[tokio::test]
async fn backfill_begins_after_since() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[]).await;
    let known = fixture.publish("news:1", "known").await.cursor.to_string();
    fixture.publish("news:1", "missed").await;
    subscribe(&fixture, &stream, &["news:1"], Some(&known)).await;
    assert_eq!(stream.named("backfill").await.data["payload"], "missed");
    stream.named("subscribed").await;
}

#[tokio::test]
async fn backfill_reaches_below_the_window_into_the_engine() {
    let fixture = Fixture::with(|hub| hub.window_records(3)).await;
    let mut stream = fixture.stream("ana", &[("channels", "timer:ana")]).await;
    let since = fixture.hub.cursor().to_string();
    fixture.hub.publish_all((0..50).map(|n| event("news:1", n))).await.unwrap();
    subscribe(&fixture, &stream, &["news:1"], Some(&since)).await;
    for n in 0..50 {
        assert_eq!(stream.named("backfill").await.data["payload"], n);
    }
    stream.named("subscribed").await;
}

#[tokio::test]
async fn backfill_holds_nothing_that_was_addressed_or_hidden() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("sessionId", "tab1")]).await;
    let since = fixture.hub.cursor().to_string();
    fixture.hub.to_user("bob").publish(event("news:1", "to bob")).await.unwrap();
    let ana = tidings::UserId::new("ana").unwrap();
    let hidden = event("news:1", "hidden").except(&crate::fixture::tab("tab1").of(&ana));
    fixture.hub.publish(hidden).await.unwrap();
    fixture.publish("news:1", "to all").await;
    subscribe(&fixture, &stream, &["news:1"], Some(&since)).await;
    assert_eq!(stream.named("backfill").await.data["payload"], "to all");
    stream.named("subscribed").await;
}

#[tokio::test]
async fn addressed_events_come_as_backfill_too() {
    let fixture = Fixture::start().await;
    let since = fixture.hub.cursor().to_string();
    let mut stream = fixture.stream("ana", &[("deviceId", "laptop"), ("channels", "news:1")]).await;
    assert_eq!(stream.connected.data["addressed"], true);
    drop(stream);
    fixture.hub.to_user("ana").publish(event("timer", "to ana")).await.unwrap();
    fixture.hub.to_user("bob").publish(event("timer", "to bob")).await.unwrap();
    fixture.hub.to_device("ana", "phone").publish(event("timer", "to her phone")).await.unwrap();
    fixture.publish("news:1", "to all").await;
    let last = fixture.hub.to_device("ana", "laptop").publish(event("timer", "to her laptop")).await.unwrap();
    stream = fixture.stream("ana", &[("deviceId", "laptop"), ("channels", "news:1")]).await;
    let answer = subscribe_addressed(&fixture, "ana", &stream, &since).await;
    assert_eq!(answer, json!({"accepted": [], "rejected": [], "addressed": true}));
    for (payload, to) in [("to ana", "user"), ("to her laptop", "device")] {
        let backfill = stream.named("backfill").await.data;
        assert_eq!((&backfill["payload"], &backfill["to"]), (&json!(payload), &json!(to)));
    }
    let subscribed = json!({"requestId": "r1", "channels": [], "addressed": true, "cursor": last.cursor.to_string()});
    assert_eq!(stream.named("subscribed").await.data, subscribed);
}

#[tokio::test]
async fn a_since_that_is_not_in_the_log_is_a_gap_among_addressed_events_only() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[]).await;
    subscribe_addressed(&fixture, "ana", &stream, "1.1.1").await;
    let gap = json!({"channels": [], "addressed": true, "reason": "epoch", "requestId": "r1"});
    assert_eq!(stream.named("gap").await.data, gap);
    assert_eq!(stream.named("subscribed").await.data["addressed"], true);
}

#[tokio::test]
async fn an_anonymous_stream_has_no_addressed_events_to_ask_for() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("anonymous", &[("channels", "news:1")]).await;
    assert_eq!(stream.connected.data["addressed"], false);
    let answer = subscribe_addressed(&fixture, "anonymous", &stream, &fixture.hub.cursor().to_string()).await;
    assert_eq!(answer, json!({"accepted": [], "rejected": [], "addressed": false}));
    fixture.publish("news:1", "sentinel").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn addressed_events_cannot_be_unsubscribed() {
    let fixture = Fixture::start().await;
    let stream = fixture.stream("ana", &[]).await;
    let body = json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": [], "addressed": true});
    fixture.client("ana").post("/unsubscribe", body).await.is_problem(400, "malformed");
}

#[tokio::test]
async fn cursors_of_several_logs_are_a_gap_and_what_is_none_is_refused() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[]).await;
    let here = fixture.hub.cursor().to_string();
    subscribe(&fixture, &stream, &["news:1"], Some(&format!("{here},1.1.1"))).await;
    assert_eq!(stream.named("gap").await.data["reason"], "malformed");
    stream.named("subscribed").await;
    for since in ["", ",", "1.1.1,", &format!("{here},x")] {
        let body =
            json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": ["news:1"], "since": since});
        fixture.client("ana").post("/subscribe", body).await.is_problem(400, "malformedCursor");
    }
}

#[tokio::test]
async fn a_call_without_a_request_id_is_applied_and_not_confirmed() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[]).await;
    let body = json!({"connectionId": stream.connection_id(), "channels": ["news:1"]});
    let answer = fixture.client("ana").post("/subscribe", body.clone()).await.good();
    assert_eq!(answer, json!({"accepted": ["news:1"], "rejected": []}));
    fixture.publish("news:1", "heard").await;
    stream.hears("heard").await;
    subscribe(&fixture, &stream, &["timer:ana"], None).await;
    assert_eq!(stream.named("subscribed").await.data["channels"], json!(["timer:ana"]));
    fixture.publish("news:1", "heard").await;
    stream.hears("heard").await;
    fixture.client("ana").post("/unsubscribe", body).await.good();
    fixture.publish("news:1", "stopped").await;
    fixture.publish("timer:ana", "sentinel").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn the_past_is_brought_under_a_request_id_which_is_not_the_servers_own() {
    let fixture = Fixture::start().await;
    let stream = fixture.stream("ana", &[]).await;
    let call = json!({"connectionId": stream.connection_id(), "channels": ["news:1"]});
    let mut without = call.clone();
    without["since"] = fixture.hub.cursor().to_string().into();
    let mut servers = call;
    servers["requestId"] = "server".into();
    for body in [without, servers] {
        fixture.client("ana").post("/subscribe", body).await.is_problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_since_of_another_log_is_a_gap_on_these_channels_only() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "timer:ana")]).await;
    subscribe(&fixture, &stream, &["news:1", "news:2"], Some("1.1.1")).await;
    let gap = stream.named("gap").await;
    assert_eq!(gap.data, json!({"channels": ["news:1", "news:2"], "reason": "epoch", "requestId": "r1"}));
    assert_eq!(gap.id, stream.connected.id, "it moves no cursor");
    stream.named("subscribed").await;
    fixture.publish("news:2", "live").await;
    stream.hears("live").await;
}

#[tokio::test]
async fn an_unsubscribed_channel_is_no_longer_received() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1,news:2")]).await;
    let answer = unsubscribe(&fixture, &stream, &["news:1", "news:never"]).await;
    assert_eq!(answer, json!({"accepted": ["news:1", "news:never"], "rejected": []}));
    fixture.publish("news:1", "stopped").await;
    fixture.publish("news:2", "goes on").await;
    stream.hears("goes on").await;
}

#[tokio::test]
async fn unsubscribing_a_pattern_leaves_the_channels_below_it() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:*,news:1")]).await;
    unsubscribe(&fixture, &stream, &["news:*"]).await;
    fixture.publish("news:2", "stopped").await;
    fixture.publish("news:1", "goes on").await;
    stream.hears("goes on").await;
}

#[tokio::test]
async fn unsubscribing_everything_leaves_what_is_addressed() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    unsubscribe(&fixture, &stream, &["news:1"]).await;
    fixture.publish("news:1", "stopped").await;
    fixture.hub.to_user("ana").publish(event("timer", "to ana")).await.unwrap();
    stream.hears("to ana").await;
}
