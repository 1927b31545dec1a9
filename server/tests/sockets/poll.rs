//! Polling: the frames of a stream, as finite answers.

use std::time::Duration;

use serde_json::{Value, json};
use tidings::{Limits, Rate, Routes};
use tidings_protocol::sse::Decoder;

use crate::fixture::{Client, Fixture, auth, event};

/// The answer to a poll.
struct Polled {
    headers: reqwest::header::HeaderMap,
    /// The name, `id:` and data of each frame but the last.
    frames: Vec<(String, String, Value)>,
    /// The cursor for the next poll.
    id: String,
    /// The data of the last frame.
    end: Value,
}

impl Polled {
    fn payloads(&self, name: &str) -> Vec<Value> {
        let named = self.frames.iter().filter(|(event, ..)| event == name);
        named.map(|(.., data)| data["payload"].clone()).collect()
    }
}

async fn poll(client: &Client, body: Value) -> Polled {
    let answer = client.post("/poll", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = answer.body.as_str().unwrap().to_owned();
    assert_eq!(answer.headers["content-length"], text.len().to_string());
    let mut frames = Vec::new();
    let mut decoder = Decoder::new();
    decoder
        .push(text.as_bytes(), |message| {
            let data = serde_json::from_str(message.data).unwrap();
            frames.push((message.event.to_owned(), message.last_event_id.to_owned(), data));
        })
        .unwrap();
    let (name, id, end) = frames.pop().unwrap();
    assert_eq!(name, "polled", "{text}");
    Polled { headers: answer.headers, frames, id, end }
}

/// Waits until the hub has applied the log up to here, so that a stream without a cursor begins there.
async fn reached(fixture: &Fixture, cursor: tidings::Cursor) {
    crate::fixture::eventually(|| fixture.hub.cursor() == cursor).await;
}

fn channels(channels: &[&str]) -> Value {
    channels.iter().map(|channel| json!({"channel": channel})).collect()
}

#[tokio::test]
async fn a_poll_continues_where_the_last_one_ended() {
    let fixture = Fixture::start().await;
    let ana = fixture.client("ana");
    let first = poll(&ana, json!({"channels": channels(&["news:1", "admin"])})).await;
    assert_eq!(first.headers["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!((first.frames.len(), &first.id), (0, &fixture.hub.cursor().to_string()));
    assert_eq!(first.end["channels"], json!(["news:1"]));
    assert_eq!(first.end["rejected"], json!([{"channel": "admin", "code": "forbidden"}]));
    assert_eq!((&first.end["addressed"], &first.end["retryMs"]), (&json!(true), &json!(1_000)));
    fixture.publish("news:1", 1).await;
    fixture.publish("news:2", "not asked for").await;
    fixture.publish("admin", "not granted").await;
    fixture.hub.to_user("ana").publish(event("timer", "to ana")).await.unwrap();
    fixture.hub.to_user("bob").publish(event("timer", "to bob")).await.unwrap();
    let last = fixture.publish("news:1", 2).await;
    let body = json!({"channels": channels(&["news:1", "admin"]), "lastEventId": first.id});
    let second = poll(&ana, body).await;
    assert_eq!(second.payloads("message"), [json!(1), json!("to ana"), json!(2)]);
    assert_eq!(second.id, last.cursor.to_string());
    assert_eq!(second.frames[2].1, second.id, "each event has its own id");
    let third = poll(&ana, json!({"channels": channels(&["news:1"]), "lastEventId": second.id})).await;
    assert_eq!((third.frames.len(), third.id), (0, second.id));
}

#[tokio::test]
async fn the_past_of_a_channel_comes_as_backfill_under_its_since_and_is_confirmed() {
    let fixture = Fixture::with(|hub| hub.window_records(2)).await;
    let since = fixture.hub.cursor().to_string();
    for number in 0..5 {
        fixture.publish("news:1", number).await;
    }
    let last = fixture.hub.to_user("ana").publish(event("timer", "to ana")).await.unwrap().cursor;
    reached(&fixture, last).await;
    let here = last.to_string();
    let items = json!([{"channel": "news:1", "since": since}, {"channel": "news:2"}]);
    let body = json!({"channels": items, "addressedSince": since, "lastEventId": here});
    let answer = poll(&fixture.client("ana"), body).await;
    let expected: Vec<Value> = (0..5).map(Value::from).chain([json!("to ana")]).collect();
    assert_eq!(answer.payloads("backfill"), expected);
    let (name, _, subscribed) = answer.frames.last().unwrap();
    assert_eq!(name, "subscribed");
    assert_eq!(*subscribed, json!({"requestId": since, "channels": ["news:1"], "addressed": true, "cursor": here}));
    assert!(answer.frames.iter().all(|(event, _, data)| event != "backfill" || data["requestId"] == *since));
}

#[tokio::test]
async fn a_cursor_that_cannot_be_honoured_is_a_gap_and_the_answer_goes_on_at_the_end_of_the_log() {
    let fixture = Fixture::start().await;
    let missed = fixture.publish("news:1", "missed").await.cursor;
    reached(&fixture, missed).await;
    let here = missed.to_string();
    for (cursor, reason) in [("1.1.1", "epoch"), ("1.1.1,2.2.2", "malformed"), ("?", "malformed")] {
        let body = json!({"channels": channels(&["news:1"]), "lastEventId": cursor});
        let answer = poll(&fixture.client("ana"), body).await;
        assert_eq!(answer.frames, [("gap".into(), here.clone(), json!({"channels": null, "reason": reason}))]);
        assert_eq!(answer.id, here);
    }
    let items = json!([{"channel": "news:1", "since": "1.1.1"}]);
    let answer = poll(&fixture.client("ana"), json!({"channels": items, "lastEventId": here})).await;
    let gap = json!({"channels": ["news:1"], "reason": "epoch", "requestId": "1.1.1"});
    assert_eq!((&*answer.frames[0].0, &answer.frames[0].2), ("gap", &gap));
}

#[tokio::test]
async fn a_poll_waits_for_the_next_event_and_no_longer_than_asked() {
    let fixture = Fixture::start().await;
    let ana = fixture.client("ana");
    let body =
        json!({"channels": channels(&["news:1"]), "lastEventId": fixture.hub.cursor().to_string(), "waitMs": 60_000});
    let (answer, ()) = tokio::join!(poll(&ana, body), async {
        while fixture.hub.stats().connections == 0 {
            tokio::task::yield_now().await;
        }
        fixture.publish("news:2", "not asked for").await;
        fixture.publish("news:1", "tea").await;
    });
    assert_eq!((answer.payloads("message"), &answer.end["retryMs"]), (vec![json!("tea")], &json!(0)));
    let body = json!({"channels": channels(&["news:1"]), "lastEventId": answer.id, "waitMs": 20});
    let answer = poll(&ana, body).await;
    assert_eq!((answer.frames.len(), &answer.end["retryMs"]), (0, &json!(0)));
    crate::fixture::eventually(|| fixture.hub.stats().connections == 0).await;
}

#[tokio::test]
async fn a_poll_carries_server_channels_without_announcing_them() {
    let fixture = Fixture::start().await;
    fixture.hub.subscribe("ana", "given:1").await.unwrap();
    let since = fixture.hub.cursor().to_string();
    fixture.publish("given:1", "a gift").await;
    let answer = poll(&fixture.client("ana"), json!({"channels": [], "lastEventId": since})).await;
    assert_eq!((answer.frames.len(), answer.payloads("message")), (1, vec![json!("a gift")]));
}

#[tokio::test]
async fn a_revoked_channel_is_not_polled_and_ends_in_a_waiting_poll() {
    let fixture = Fixture::start().await;
    let ana = fixture.client("ana");
    let since = fixture.hub.cursor().to_string();
    let body = json!({"channels": channels(&["news:1"]), "lastEventId": since, "waitMs": 60_000});
    let (answer, ()) = tokio::join!(poll(&ana, body.clone()), async {
        while fixture.hub.stats().connections == 0 {
            tokio::task::yield_now().await;
        }
        fixture.hub.revoke("ana", "news:*").await.unwrap();
    });
    let (name, _, revoked) = &answer.frames[0];
    assert_eq!((&**name, revoked), ("revoked", &json!({"channels": ["news:1"], "code": "forbidden"})));
    fixture.publish("news:1", "secret").await;
    let mut body = body;
    body["waitMs"] = 0.into();
    let answer = poll(&ana, body).await;
    assert_eq!(answer.end["rejected"], json!([{"channel": "news:1", "code": "forbidden"}]));
    assert!(answer.payloads("message").is_empty());
    fixture.hub.disconnect("ana").await.unwrap();
    ana.post("/poll", json!({"channels": []})).await.is_problem(401, "credentialsRevoked");
}

#[tokio::test]
async fn a_poll_leaves_out_the_events_of_its_own_tab() {
    let fixture = Fixture::start().await;
    let since = fixture.hub.cursor().to_string();
    let ana = tidings::UserId::new("ana").unwrap();
    fixture.hub.publish(event("news:1", "hidden").except(&crate::fixture::tab("tab1").of(&ana))).await.unwrap();
    let mut body = json!({"channels": channels(&["news:1"]), "lastEventId": since, "sessionId": "tab1"});
    assert!(poll(&fixture.client("ana"), body.clone()).await.payloads("message").is_empty());
    body["sessionId"] = "tab2".into();
    assert_eq!(poll(&fixture.client("ana"), body).await.payloads("message"), [json!("hidden")]);
}

#[tokio::test]
async fn an_answer_is_bounded_and_the_rest_is_fetched_at_once() {
    let fixture = Fixture::start().await;
    let mut since = fixture.hub.cursor().to_string();
    let payload = "x".repeat(50_000);
    fixture.hub.publish_all((0..60).map(|_| event("news:1", &*payload))).await.unwrap();
    let (mut heard, mut answers) = (0, 0);
    loop {
        let body = json!({"channels": channels(&["news:1"]), "lastEventId": since});
        let answer = poll(&fixture.client("ana"), body).await;
        heard += answer.frames.len();
        answers += 1;
        assert!(answer.frames.len() < 30, "about a MiB");
        since = answer.id;
        if answer.end["retryMs"] != 0 {
            break;
        }
    }
    assert!(heard == 60 && answers > 2, "{heard} in {answers}");
}

#[tokio::test]
async fn polls_have_a_rate_and_a_waiting_poll_counts_as_a_stream() {
    let limits = Limits::default().poll_rate(Rate::per_second(1).burst(3)).connections_per_user(1);
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth()).limits(limits)).await;
    let ana = fixture.client("ana");
    let stream = tokio::spawn(crate::fixture::answering(ana.clone(), fixture.stream("ana", &[]).await));
    ana.post("/poll", json!({"channels": []})).await.is_problem(429, "tooManyConnections");
    stream.abort();
    crate::fixture::eventually(|| fixture.hub.stats().connections == 0).await;
    let mut answer = ana.post("/poll", json!({"channels": []})).await;
    for _ in 0..50 {
        if answer.status != 200 {
            break;
        }
        answer = ana.post("/poll", json!({"channels": []})).await;
    }
    answer.is_problem(429, "tooManyRequests");
    fixture.stream("ana", &[]).await;
    poll(&fixture.client("bob"), json!({"channels": []})).await;
}

#[tokio::test]
async fn bad_input_is_refused_as_for_a_stream() {
    let fixture = Fixture::start().await;
    let ana = fixture.client("ana");
    for (body, code) in [
        (json!({"channels": [{"channel": "a::b"}]}), "malformedChannel"),
        (json!({"channels": [{"channel": "news:1", "since": "?"}]}), "malformedCursor"),
        (json!({"channels": [], "addressedSince": ""}), "malformedCursor"),
        (json!({"channels": [], "deviceId": "two words"}), "malformed"),
        (json!({"channels": [], "sessionId": ""}), "malformed"),
        (json!({"channels": [], "sinse": 1}), "malformed"),
        (json!({"channels": [{"channel": "news:1", "sinse": 1}]}), "malformed"),
        (json!({"channels": [], "waitMs": -1}), "malformed"),
    ] {
        ana.post("/poll", body).await.is_problem(400, code);
    }
    fixture.client("").post("/poll", json!({"channels": []})).await.is_problem(401, "credentialsMissing");
}

#[tokio::test]
async fn a_poll_ends_with_the_server_and_makes_nobody_present() {
    let presence = tidings::PresenceSettings::default();
    let fixture = Fixture::with(|hub| hub.presence(presence)).await;
    poll(&fixture.client("ana"), json!({"channels": channels(&["news:1"])})).await;
    assert!(fixture.hub.presence("news:1").unwrap().is_empty());
    let body = json!({"channels": channels(&["news:1"]), "waitMs": 60_000});
    let client = fixture.client("ana");
    let (answer, ()) = tokio::join!(poll(&client, body), async {
        while fixture.hub.stats().connections == 0 {
            tokio::task::yield_now().await;
        }
        fixture.hub.drain(Duration::from_secs(5)).await;
    });
    assert_eq!((&*answer.frames[0].0, &answer.frames[0].2["reason"]), ("closing", &json!("drain")));
    client.post("/poll", json!({"channels": []})).await.is_problem(503, "unavailable");
}
