//! Presence: lists, changes, grants, reloads, and streams whose client is gone.

use std::time::Duration;

use serde_json::{Value, json};
use tidings::{
    Limits, PresenceSettings, Rate, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
};

use crate::fixture::{Answer, Client, Fixture, Stream, eventually};

const SETTINGS: fn() -> PresenceSettings = || PresenceSettings::default().grace(Duration::from_millis(300));

/// Tokens name the user, and the channels whose presence the user may watch beside `room:*`: `ana,team:1`.
async fn fixture(settings: PresenceSettings) -> Fixture {
    let auth = |request: AuthRequest| async move {
        let mut parts = request.bearer().ok_or(AuthError::Missing)?.split(',');
        let identity = match parts.next() {
            None | Some("" | "anonymous") => Identity::anonymous(),
            Some(user) => Identity::user(user)?,
        };
        Ok(match parts.next() {
            Some(grant) => identity.allow_presence(grant).map_err(|_| AuthError::Invalid)?,
            None => identity,
        })
    };
    let auth =
        auth.allow("room:*").unwrap().allow("team:*").unwrap().allow("news").unwrap().allow_presence("room:*").unwrap();
    Fixture::mounting(|hub| hub.presence(settings), |hub| Routes::new(hub, auth)).await
}

async fn joined(fixture: &Fixture, user: &str, device: &str, channels: &str) -> Stream {
    fixture.stream(user, &[("deviceId", device), ("channels", channels)]).await
}

async fn ask(client: &Client, stream: &Stream, revision: u64, channels: &[&str]) -> Answer {
    let body = json!({"connectionId": stream.connection_id(), "revision": revision, "channels": channels});
    client.post("/presence", body).await
}

async fn alive(client: &Client, stream: &Stream) -> Answer {
    client.post("/alive", json!({"connectionId": stream.connection_id()})).await
}

/// The data of the next frame, which must be about presence.
async fn told(stream: &mut Stream) -> Value {
    stream.named("presence").await.data
}

fn who(user: &str, device: impl Into<Value>) -> Value {
    json!({"userId": user, "deviceId": device.into()})
}

#[tokio::test]
async fn a_watcher_is_told_all_who_are_there_then_who_comes_and_who_goes() {
    let fixture = fixture(SETTINGS()).await;
    let _ana = joined(&fixture, "ana", "d1", "room:1,news").await;
    let mut eve = fixture.stream("eve", &[]).await;
    let answer = ask(&fixture.client("eve"), &eve, 1, &["room:1", "room:*"]).await.good();
    assert_eq!(answer, json!({"accepted": ["room:1", "room:*"], "rejected": []}));
    assert_eq!(told(&mut eve).await, json!({"channel": "room:1", "here": [who("ana", "d1")]}));
    assert_eq!(told(&mut eve).await, json!({"channel": "room:*", "here": [who("ana", "d1")]}));

    let bob = fixture.stream("bob", &[("channels", "room:2")]).await;
    assert_eq!(told(&mut eve).await, json!({"channel": "room:*", "join": [who("bob", Value::Null)]}));
    drop(bob);
    assert_eq!(told(&mut eve).await, json!({"channel": "room:*", "leave": [who("bob", Value::Null)]}));
    assert_eq!(fixture.hub.presence("*").unwrap().len(), 2, "a watcher is online too, in no room");
}

#[tokio::test]
async fn channels_of_a_live_stream_count_as_it_holds_them() {
    let fixture = fixture(SETTINGS()).await;
    let mut eve = fixture.stream("eve", &[]).await;
    let client = fixture.client("eve");
    ask(&client, &eve, 1, &["room:1"]).await.good();
    assert_eq!(told(&mut eve).await["here"], json!([]));
    let body = json!({"connectionId": eve.connection_id(), "requestId": "r1", "channels": ["room:1"]});
    client.post("/subscribe", body.clone()).await.good();
    eve.named("subscribed").await;
    assert_eq!(told(&mut eve).await["join"], json!([who("eve", Value::Null)]));
    // Unsubscribing from a channel is not a reload.
    client.post("/unsubscribe", body).await.good();
    assert_eq!(told(&mut eve).await["leave"], json!([who("eve", Value::Null)]));
}

#[tokio::test]
async fn a_channel_counts_that_a_client_asks_for_after_the_server_has_subscribed_its_user() {
    let fixture = fixture(SETTINGS()).await;
    fixture.hub.subscribe("eve", "room:1").await.unwrap();
    let mut eve = fixture.stream("eve", &[]).await;
    assert_eq!(eve.named("subscribed").await.data["requestId"], "server");
    let body = json!({"connectionId": eve.connection_id(), "requestId": "r1", "channels": ["room:1"]});
    fixture.client("eve").post("/subscribe", body).await.good();
    assert_eq!(eve.named("subscribed").await.data["requestId"], "r1");
    eventually(|| fixture.hub.presence("room:1").unwrap().len() == 1).await;
}

#[tokio::test]
async fn a_reload_within_the_grace_period_is_no_leave() {
    // A grace period longer than this test may take.
    let fixture = fixture(PresenceSettings::default().grace(Duration::from_secs(60))).await;
    let mut eve = fixture.stream("eve", &[]).await;
    ask(&fixture.client("eve"), &eve, 1, &["room:1"]).await.good();
    told(&mut eve).await;
    let before = joined(&fixture, "ana", "d1", "room:1").await;
    assert_eq!(told(&mut eve).await["join"], json!([who("ana", "d1")]));
    drop(before);
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 0).await;
    assert_eq!(fixture.hub.presence("room:1").unwrap().len(), 1);
    let _after = joined(&fixture, "ana", "d1", "room:1").await;
    let _another = joined(&fixture, "ana", "d2", "room:1").await;
    assert_eq!(told(&mut eve).await, json!({"channel": "room:1", "join": [who("ana", "d2")]}), "and nothing before it");
}

#[tokio::test]
async fn every_stream_is_told_in_full_and_its_position_stays() {
    let fixture = fixture(SETTINGS()).await;
    let client = fixture.client("eve");
    let mut first = client.stream(&[("channels", "news")]).await;
    fixture.publish("news", "one").await;
    first.hears("one").await;
    let position = first.position().to_string();
    ask(&client, &first, 7, &["room:1"]).await.good();
    let frame = first.named("presence").await;
    assert_eq!((frame.data["here"].clone(), frame.id), (json!([]), position.clone()));
    drop(first);
    let _ana = joined(&fixture, "ana", "d1", "room:1").await;
    let mut second = client.stream(&[("channels", "news"), ("lastEventId", &*position)]).await;
    assert_eq!(second.connected.data["resumed"], true);
    // Another stream has calls of its own, so its revision starts again.
    ask(&client, &second, 1, &["room:1"]).await.good();
    assert_eq!(told(&mut second).await["here"], json!([who("ana", "d1")]));
    fixture.publish("news", "two").await;
    second.hears("two").await;
}

#[tokio::test]
async fn presence_has_a_grant_of_its_own() {
    let fixture = fixture(SETTINGS()).await;
    let _ana = joined(&fixture, "ana", "d1", "team:1,room:1").await;
    let mut stream = fixture.stream("eve", &[("channels", "team:1")]).await;
    let client = fixture.client("eve");
    let answer = ask(&client, &stream, 1, &["team:1", "*", "room:1"]).await.good();
    let rejected = |channel: &str| json!({"channel": channel, "code": "forbidden"});
    assert_eq!(answer, json!({"accepted": ["room:1"], "rejected": [rejected("team:1"), rejected("*")]}));
    assert_eq!(told(&mut stream).await["channel"], "room:1");
    client.get("/presence", &[("channel", "team:1")]).await.is_problem(403, "forbidden");
    client.get("/presence", &[("channel", "*")]).await.is_problem(403, "forbidden");
    let answer = fixture.client("eve,team:*").get("/presence", &[("channel", "team:1")]).await.good();
    assert_eq!(answer, json!({"channel": "team:1", "here": [who("ana", "d1"), who("eve", Value::Null)]}));
    let everyone = fixture.client("anonymous,*").get("/presence", &[("channel", "*")]).await.good();
    assert_eq!(everyone["here"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn looking_is_limited_as_other_calls_are() {
    let auth = |_: AuthRequest| async { Identity::user("ana") };
    let limits = Limits::default().subscribe_rate(Rate::per_second(1));
    let routes = |hub| Routes::new(hub, auth.allow_presence("*").unwrap()).limits(limits);
    let fixture = Fixture::mounting(|hub| hub.presence(SETTINGS()), routes).await;
    let mut last = fixture.client("").get("/presence", &[("channel", "*")]).await;
    for _ in 0..100 {
        if last.status != 200 {
            break;
        }
        last = fixture.client("").get("/presence", &[("channel", "*")]).await;
    }
    last.is_problem(429, "tooManyRequests");
    assert_eq!(last.headers["retry-after"], "1");
}

#[tokio::test]
async fn an_anonymous_stream_makes_nobody_present() {
    let fixture = fixture(SETTINGS()).await;
    let mut stream = fixture.stream("anonymous", &[("deviceId", "d1"), ("channels", "room:1")]).await;
    let client = fixture.client("anonymous");
    ask(&client, &stream, 1, &["room:1"]).await.good();
    assert_eq!(told(&mut stream).await["here"], json!([]));
    assert_eq!(alive(&client, &stream).await.status, 204);
}

#[tokio::test]
async fn fresh_credentials_that_cover_less_end_what_is_told() {
    let fixture = fixture(SETTINGS()).await;
    let mut stream = fixture.stream("eve", &[]).await;
    ask(&fixture.client("eve,team:1"), &stream, 1, &["team:1", "room:1"]).await.good();
    for _ in 0..2 {
        assert_eq!(told(&mut stream).await["here"], json!([]));
    }
    fixture.client("eve").post("/refresh", json!({"connectionId": stream.connection_id()})).await.good();
    assert_eq!(told(&mut stream).await, json!({"channel": "team:1", "code": "forbidden"}));
    let _ana = joined(&fixture, "ana", "d1", "team:1,room:1").await;
    assert_eq!(told(&mut stream).await, json!({"channel": "room:1", "join": [who("ana", "d1")]}));
}

#[tokio::test]
async fn a_stream_without_calls_does_not_count_although_it_takes_bytes() {
    let fixture = fixture(PresenceSettings::default().alive(Duration::from_millis(200))).await;
    let mut ana = joined(&fixture, "ana", "d1", "room:1,news").await;
    assert_eq!(ana.connected.data["aliveMs"], 200);
    eventually(|| fixture.hub.presence("room:1").unwrap().is_empty()).await;
    fixture.publish("news", "still open").await;
    ana.hears("still open").await;
    assert_eq!(alive(&fixture.client("ana"), &ana).await.status, 204);
    assert_eq!(fixture.hub.presence("room:1").unwrap().len(), 1, "it is heard again");
}

#[tokio::test]
async fn a_call_about_another_users_stream_is_refused() {
    let fixture = fixture(SETTINGS()).await;
    let mut stream = fixture.stream("ana", &[]).await;
    let eve = fixture.client("eve");
    alive(&eve, &stream).await.is_problem(404, "unknownConnection");
    ask(&eve, &stream, 9, &["room:1"]).await.is_problem(404, "unknownConnection");
    alive(&fixture.client(""), &stream).await.is_problem(401, "credentialsMissing");
    ask(&fixture.client("ana"), &stream, 1, &["room:2"]).await.good();
    assert_eq!(told(&mut stream).await["channel"], "room:2", "her call was not superseded");
}

#[tokio::test]
async fn a_malformed_request_is_refused() {
    let fixture = fixture(SETTINGS()).await;
    let stream = fixture.stream("ana", &[]).await;
    let client = fixture.client("ana");
    ask(&client, &stream, 1, &["room::1"]).await.is_problem(400, "malformedChannel");
    client.post("/presence", json!({"connectionId": "x", "channels": []})).await.is_problem(400, "malformed");
    client.post("/alive", json!({})).await.is_problem(400, "malformed");
    client.get("/presence", &[]).await.is_problem(400, "malformed");
    client.get("/presence", &[("channel", "a::b")]).await.is_problem(400, "malformedChannel");
}

#[tokio::test]
async fn more_than_a_stream_may_hold_is_rejected() {
    let auth = |_: AuthRequest| async { Identity::user("ana") };
    let fixture = Fixture::mounting(
        |hub| hub.presence(SETTINGS()).channels_per_connection(2),
        |hub| Routes::new(hub, auth.allow_presence("*").unwrap()),
    )
    .await;
    let stream = fixture.stream("ana", &[]).await;
    let answer = ask(&fixture.client("ana"), &stream, 1, &["a", "b", "a", "c"]).await.good();
    assert_eq!(answer["accepted"], json!(["a", "b"]));
    assert_eq!(answer["rejected"], json!([{"channel": "c", "code": "tooManyChannels"}]));
}

#[tokio::test]
async fn presence_is_off_unless_the_hub_has_it_on() {
    let fixture = Fixture::start().await;
    let stream = fixture.stream("ana", &[]).await;
    assert!(stream.connected.data.get("aliveMs").is_none());
    let client = fixture.client("ana");
    ask(&client, &stream, 1, &["news:1"]).await.is_problem(404, "notFound");
    client.get("/presence", &[("channel", "news:1")]).await.is_problem(404, "notFound");
    assert_eq!(fixture.hub.presence("*"), Err(tidings::PresenceError::Off));
}

#[tokio::test]
async fn a_revocation_takes_the_sight_of_who_is_there_away_with_the_channel() {
    let fixture = fixture(SETTINGS()).await;
    let _ana = joined(&fixture, "ana", "d1", "room:1").await;
    let mut eve = fixture.stream("eve", &[]).await;
    ask(&fixture.client("eve"), &eve, 1, &["room:1"]).await.good();
    told(&mut eve).await;
    fixture.hub.revoke("eve", "room:1").await.unwrap();
    assert_eq!(told(&mut eve).await, json!({"channel": "room:1", "code": "forbidden"}));
    let answer = ask(&fixture.client("eve"), &eve, 2, &["room:1"]).await.good();
    assert_eq!(answer["rejected"], json!([{"channel": "room:1", "code": "forbidden"}]));
    fixture.client("eve").get("/presence", &[("channel", "room:1")]).await.is_problem(403, "forbidden");
}
