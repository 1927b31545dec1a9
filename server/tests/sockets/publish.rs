//! `POST /publish`.

use std::time::Duration;

use serde_json::{Value, json};
use tidings::engine::{Memory, Sqlite};
use tokio::task::JoinSet;

use crate::fixture::{Answer, Fixture, Held, event};

async fn post(fixture: &Fixture, token: &str, body: Value) -> Answer {
    fixture.client(token).post("/publish", body).await
}

#[tokio::test]
async fn a_published_event_is_answered_with_its_cursor() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let body = json!({"channel": "news:1", "type": "said", "payload": {"text": "hello"}});
    let answer = post(&fixture, "backend", body).await.good();
    let frame = stream.named("message").await;
    assert_eq!(answer, json!([{"cursor": frame.id, "duplicate": false}]));
    assert_eq!((&frame.data["type"], &frame.data["payload"]), (&json!("said"), &json!({"text": "hello"})));
}

#[tokio::test]
async fn an_array_is_stored_and_answered_in_its_order() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:*")]).await;
    let body: Value = (0..20).map(|n| json!({"channel": format!("news:{n}"), "type": "t", "payload": n})).collect();
    let answer = post(&fixture, "backend", body).await.good();
    for n in 0..20 {
        let frame = stream.named("message").await;
        assert_eq!((&frame.data["payload"], &answer[n]["cursor"]), (&json!(n), &json!(frame.id)));
    }
}

#[tokio::test]
async fn a_bad_event_refuses_the_whole_array() {
    let fixture = Fixture::with(|hub| hub.payload_bytes(100)).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1,timer:ana")]).await;
    let good = || json!({"channel": "news:1", "type": "t", "payload": "must not be stored"});
    for (bad, status, code) in [
        (json!({"channel": "news::1", "type": "t", "payload": 1}), 400, "malformedChannel"),
        (json!({"channel": "news:1", "type": "", "payload": 1}), 400, "malformed"),
        (json!({"channel": "news:1", "type": "t", "payload": "x".repeat(99)}), 413, "tooLarge"),
        (json!({"channel": "news:1", "type": "t", "to": {"users": ["a\nb"]}}), 400, "malformed"),
    ] {
        post(&fixture, "backend", json!([good(), bad])).await.is_problem(status, code);
    }
    let forbidden = json!([
        {"channel": "chat:1", "type": "t", "payload": 1},
        {"channel": "news:1", "type": "t", "payload": "must not be stored"},
    ]);
    post(&fixture, "ana", forbidden).await.is_problem(403, "forbidden");
    fixture.publish("news:1", "sentinel").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn an_engine_that_does_not_answer_leaves_it_unknown_and_the_same_key_settles_it() {
    let engine = Held::new(Memory::default());
    let hold = engine.clone();
    let fixture = Fixture::with(|hub| hub.engine(hold).publish_deadline(Duration::from_millis(100))).await;
    let body = json!({"channel": "news:1", "type": "t", "payload": 1, "key": "k"});
    engine.after.shut();
    post(&fixture, "backend", body.clone()).await.is_problem(504, "unknown");
    assert_eq!(fixture.hub.stats().publish_unknown, 1);
    engine.after.open();
    assert_eq!(post(&fixture, "backend", body).await.good()[0]["duplicate"], true);
}

#[tokio::test]
async fn an_engine_that_stores_nothing_is_told_without_its_reasons_and_streams_stay() {
    let engine = Held::new(Memory::default());
    let full = engine.clone();
    let fixture = Fixture::with(|hub| hub.engine(full)).await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.publish("news:1", "before").await;
    engine.refuse();
    let answer = post(&fixture, "backend", json!({"channel": "news:1", "type": "t"})).await;
    answer.is_problem(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(!answer.body.to_string().contains("s3cret"));
    assert_eq!(fixture.hub.stats().publish_refused, 1);
    stream.hears("before").await;
    fixture.client("ana").get("/check", &[]).await.good();
}

#[tokio::test]
async fn a_publish_beyond_the_backlog_is_told_to_come_again() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Sqlite::builder(directory.path().join("log")).backlog_bytes(1 << 10).open().unwrap();
    let path = engine.path().to_owned();
    let fixture = Fixture::with(|hub| hub.engine(engine)).await;
    let mut canary = fixture.canary().await;
    // Another program is writing, so the database is locked.
    let outsider = rusqlite::Connection::open(path).unwrap();
    outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
    let client = fixture.client("backend");
    let mut both = JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        both.spawn(async move { client.post("/publish", said("x".repeat(4_000))).await });
    }
    let refused = both.join_next().await.unwrap().unwrap();
    refused.is_problem(503, "overloaded");
    assert_eq!(refused.headers["retry-after"], "1");
    outsider.execute_batch("ROLLBACK").unwrap();
    both.join_next().await.unwrap().unwrap().good();
    client.post("/publish", said("stored")).await.good();
    canary.lives().await;
}

fn said(payload: impl Into<Value>) -> Value {
    json!({"channel": "news:1", "type": "said", "payload": payload.into()})
}

#[tokio::test]
async fn a_publish_reaches_users() {
    let fixture = Fixture::start().await;
    let (mut ana, mut bob) = (fixture.stream("ana", &[]).await, fixture.stream("bob", &[]).await);
    let body = json!({"channel": "timer", "type": "t", "payload": 1, "to": {"users": ["ana", "bob"]}});
    post(&fixture, "backend", body).await.good();
    ana.hears(1).await;
    bob.hears(1).await;
}

#[tokio::test]
async fn a_publish_reaches_one_device() {
    let fixture = Fixture::start().await;
    let mut laptop = fixture.stream("ana", &[("deviceId", "laptop"), ("channels", "news:1")]).await;
    let mut phone = fixture.stream("ana", &[("deviceId", "phone"), ("channels", "news:1")]).await;
    let body = json!([
        {"channel": "timer", "type": "t", "payload": "to the phone", "to": {"user": "ana", "deviceId": "phone"}},
        {"channel": "news:1", "type": "t", "payload": "sentinel"},
    ]);
    post(&fixture, "backend", body).await.good();
    phone.hears("to the phone").await;
    laptop.hears("sentinel").await;
}

#[tokio::test]
async fn a_publish_is_hidden_from_its_exception_and_names_its_source() {
    let fixture = Fixture::start().await;
    let mut origin = fixture.stream("ana", &[("sessionId", "tab1"), ("channels", "news:1")]).await;
    let mut other = fixture.stream("ana", &[("sessionId", "tab2"), ("channels", "news:1")]).await;
    let body = json!([
        {
            "channel": "news:1", "type": "t", "payload": "echo",
            "except": {"userId": "ana", "sessionId": "tab1"},
            "source": {"userId": "ana", "deviceId": "laptop", "sessionId": "tab1"},
        },
        {"channel": "news:1", "type": "t", "payload": "sentinel"},
    ]);
    post(&fixture, "backend", body).await.good();
    origin.hears("sentinel").await;
    let heard = other.event().await;
    assert_eq!(heard["payload"], "echo");
    assert_eq!(heard["source"], json!({"userId": "ana", "deviceId": "laptop", "sessionId": "tab1"}));
}

#[tokio::test]
async fn the_same_key_is_stored_once() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let body = json!({"channel": "news:1", "type": "t", "payload": "once", "key": "k1"});
    let first = post(&fixture, "backend", body.clone()).await.good();
    let again = post(&fixture, "backend", body).await.good();
    assert_eq!(again, json!([{"cursor": first[0]["cursor"], "duplicate": true}]));
    fixture.publish("news:1", "sentinel").await;
    stream.hears("once").await;
    stream.hears("sentinel").await;
}

#[tokio::test]
async fn an_absent_payload_is_null() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    post(&fixture, "backend", json!({"channel": "news:1", "type": "t"})).await.good();
    stream.hears(Value::Null).await;
}

#[tokio::test]
async fn a_payload_written_over_several_lines_arrives_whole() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    let body = "{\"channel\":\"news:1\",\"type\":\"t\",\"payload\":{\r\n\"id\":\n7,\r\r\"data\": \"x\"\n}}";
    fixture.client("backend").post_text("/publish", "application/json", body).await.good();
    stream.hears(json!({"id": 7, "data": "x"})).await;
}

#[tokio::test]
async fn a_misspelt_field_is_refused_at_any_depth() {
    let fixture = Fixture::start().await;
    for misspelt in [
        json!({"channel": "news:1", "type": "t", "paylaod": 1}),
        json!({"channel": "news:1", "type": "t", "to": {"users": ["ana"], "device": "d"}}),
        json!({"channel": "news:1", "type": "t", "except": {"userId": "ana", "sessionId": "s", "device": "d"}}),
        json!({"channel": "news:1", "type": "t", "source": {"userId": "ana", "session": "s"}}),
    ] {
        post(&fixture, "backend", misspelt).await.is_problem(400, "malformed");
    }
}

#[tokio::test]
async fn an_event_with_an_empty_address_or_exception_is_refused() {
    let fixture = Fixture::start().await;
    for empty in [
        json!({"channel": "news:1", "type": "t", "to": {"users": []}}),
        json!({"channel": "news:1", "type": "t", "except": {"userId": "ana"}}),
    ] {
        post(&fixture, "backend", empty).await.is_problem(400, "malformed");
    }
}

#[tokio::test]
async fn too_many_events_or_users_are_refused() {
    let fixture = Fixture::with(|hub| hub.batch_events(2).audience_users(2)).await;
    let event = || json!({"channel": "news:1", "type": "t"});
    post(&fixture, "backend", json!([event(), event(), event()])).await.is_problem(400, "tooMany");
    let crowd = json!({"channel": "news:1", "type": "t", "to": {"users": ["a", "b", "c"]}});
    post(&fixture, "backend", crowd).await.is_problem(400, "tooMany");
}

mod by_a_user {
    use super::*;

    #[tokio::test]
    async fn a_granted_channel_is_published_to() {
        let fixture = Fixture::start().await;
        let body = json!({
            "channel": "chat:1", "type": "t", "payload": 1,
            "except": {"userId": "ana", "sessionId": "tab1"}, "source": {"userId": "ana"},
        });
        post(&fixture, "ana", body).await.good();
    }

    #[tokio::test]
    async fn a_channel_without_a_grant_is_forbidden() {
        let fixture = Fixture::start().await;
        for channel in ["news:1", "timer:ana", "chat", "*"] {
            post(&fixture, "ana", json!({"channel": channel, "type": "t"})).await.is_problem(403, "forbidden");
        }
    }

    #[tokio::test]
    async fn users_cannot_be_addressed_nor_others_named() {
        let fixture = Fixture::start().await;
        for body in [
            json!({"channel": "chat:1", "type": "t", "to": {"users": ["ana"]}}),
            json!({"channel": "chat:1", "type": "t", "to": {"user": "bob", "deviceId": "d"}}),
            json!({"channel": "chat:1", "type": "t", "except": {"userId": "bob", "sessionId": "s"}}),
            json!({"channel": "chat:1", "type": "t", "source": {"userId": "bob"}}),
        ] {
            post(&fixture, "ana", body).await.is_problem(403, "forbidden");
        }
    }

    #[tokio::test]
    async fn an_idempotency_key_belongs_to_its_user() {
        let fixture = Fixture::start().await;
        let body = json!({"channel": "chat:1", "type": "t", "key": "rename-7-3"});
        let first = post(&fixture, "eve", body.clone()).await.good()[0].clone();
        assert_eq!(
            post(&fixture, "eve", body.clone()).await.good()[0],
            json!({"cursor": first["cursor"], "duplicate": true})
        );
        for token in ["ana", "anonymous", "backend"] {
            assert_eq!(post(&fixture, token, body.clone()).await.good()[0]["duplicate"], false, "{token}");
        }
        let own = event("chat:1", "the application's").key("rename-7-3").unwrap();
        assert!(fixture.hub.publish(own).await.unwrap().duplicate, "the backend's is the application's");
    }

    #[tokio::test]
    async fn an_anonymous_publisher_is_no_source() {
        let fixture = Fixture::start().await;
        let body = json!({"channel": "chat:1", "type": "t", "except": {"userId": "ana", "sessionId": "s"}});
        post(&fixture, "anonymous", body).await.is_problem(403, "forbidden");
    }
}
