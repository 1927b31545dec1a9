//! Grants: which channels a user may receive.

use serde_json::{Value, json};

use tidings::{
    Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
};

use crate::fixture::{Fixture, auth, pattern};

async fn channels(user: &str, asked: &str) -> (Value, Value) {
    let fixture = Fixture::start().await;
    let mut data = fixture.stream(user, &[("channels", asked)]).await.connected.data;
    (data["channels"].take(), data["rejected"].take())
}

fn forbidden(channel: &str) -> Value {
    json!([{"channel": channel, "code": "forbidden"}])
}

#[tokio::test]
async fn a_channel_without_a_grant_is_rejected() {
    assert_eq!(channels("ana", "admin").await, (json!([]), forbidden("admin")));
}

#[tokio::test]
async fn a_grant_to_publish_is_none_to_listen() {
    assert_eq!(channels("ana", "chat:1").await, (json!([]), forbidden("chat:1")));
}

#[tokio::test]
async fn a_pattern_is_granted_only_where_one_grant_covers_all_of_it() {
    assert_eq!(channels("ana", "news:*").await, (json!(["news:*"]), json!([])));
    assert_eq!(channels("ana", "news:1:*").await, (json!(["news:1:*"]), json!([])));
    assert_eq!(channels("ana", "*").await, (json!([]), forbidden("*")));
    assert_eq!(channels("ana", "timer:*").await, (json!([]), forbidden("timer:*")));
    assert_eq!(channels("ana", "news").await, (json!([]), forbidden("news")));
}

#[tokio::test]
async fn a_users_own_channel_is_closed_to_others() {
    assert_eq!(channels("ana", "timer:ana").await, (json!(["timer:ana"]), json!([])));
    assert_eq!(channels("ana", "timer:bob").await, (json!([]), forbidden("timer:bob")));
}

#[tokio::test]
async fn an_anonymous_caller_has_no_channel_of_its_own() {
    assert_eq!(channels("anonymous", "timer:anonymous").await, (json!([]), forbidden("timer:anonymous")));
}

#[tokio::test]
async fn the_user_star_is_not_everybody() {
    assert_eq!(channels("%2A", "timer:*").await, (json!([]), forbidden("timer:*")));
    assert_eq!(channels("%2A", "timer:%2A").await, (json!(["timer:%2A"]), json!([])));
}

#[tokio::test]
async fn the_user_with_a_colon_does_not_reach_below_another() {
    assert_eq!(channels("ana%3Awork", "timer:ana:work").await, (json!([]), forbidden("timer:ana:work")));
    assert_eq!(channels("ana%3Awork", "timer:ana%3Awork").await, (json!(["timer:ana%3Awork"]), json!([])));
}

#[tokio::test]
async fn a_rejected_channel_is_not_received_and_the_others_are() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[("channels", "timer:bob,news:1")]).await;
    fixture.publish("timer:bob", "private").await;
    fixture.publish("timer:*", "to every timer").await;
    fixture.publish("news:1", "public").await;
    stream.hears("public").await;
}

#[tokio::test]
async fn an_event_to_the_user_star_reaches_that_user_only() {
    let fixture = Fixture::start().await;
    let mut star = fixture.stream("%2A", &[]).await;
    let mut ana = fixture.stream("ana", &[("channels", "news:1")]).await;
    fixture.hub.to_user("*").publish(crate::fixture::event("timer", "to star")).await.unwrap();
    fixture.publish("news:1", "sentinel").await;
    star.hears("to star").await;
    ana.hears("sentinel").await;
    assert!(!pattern("timer:%2A").overlaps(&pattern("timer:ana")));
}

/// A hub whose members are in a database: every user may subscribe to `room:1`, and the query about `room:down` fails.
async fn with_a_database() -> Fixture {
    let auth = auth().allow_if(|identity, channel| async move {
        match channel.as_str() {
            "room:1" => Ok(identity.user_id().is_some()),
            "room:down" => Err(AuthError::Unavailable("the database is down".into())),
            _ => Ok(false),
        }
    });
    Fixture::mounting(|hub| hub.channels_per_connection(3), |hub| Routes::new(hub, auth)).await
}

fn subscribing(stream: &crate::fixture::Stream, channels: &[&str]) -> Value {
    json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": channels})
}

#[tokio::test]
async fn the_application_is_asked_about_channels_without_a_grant() {
    let fixture = with_a_database().await;
    let mut stream = fixture.stream("ana", &[("channels", "room:1,room:2")]).await;
    assert_eq!(stream.connected.data["channels"], json!(["room:1"]));
    assert_eq!(stream.connected.data["rejected"], forbidden("room:2"));
    fixture.publish("room:2", "not for her").await;
    fixture.publish("room:1", "for members").await;
    stream.hears("for members").await;

    let later = fixture.stream("ana", &[]).await;
    let answer = fixture.client("ana").post("/subscribe", subscribing(&later, &["room:1", "room:2"])).await.good();
    assert_eq!(answer, json!({"accepted": ["room:1"], "rejected": forbidden("room:2")}));
}

#[tokio::test]
async fn a_pattern_is_never_asked_about() {
    let asked = auth().allow_if(|_, _| async { Ok(true) });
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, asked)).await;
    let stream = fixture.stream("ana", &[("channels", "room:1,room:*,*")]).await;
    assert_eq!(stream.connected.data["channels"], json!(["room:1"]));
}

#[tokio::test]
async fn a_question_that_fails_fails_the_request_and_says_nothing_about_the_grant() {
    let fixture = with_a_database().await;
    let client = fixture.client("ana");
    client.get("", &[("channels", "room:down")]).await.is_problem(503, "unavailable");
    let stream = fixture.stream("ana", &[]).await;
    client.post("/subscribe", subscribing(&stream, &["room:down"])).await.is_problem(503, "unavailable");
}

#[tokio::test]
async fn no_more_is_asked_than_a_stream_may_hold() {
    let fixture = with_a_database().await;
    let stream = fixture.stream("ana", &[("channels", "a,b,c,room:1,news:1")]).await;
    assert_eq!(stream.connected.data["channels"], json!(["news:1"]));
    let codes: Vec<_> =
        stream.connected.data["rejected"].as_array().unwrap().iter().map(|each| &each["code"]).collect();
    assert_eq!(codes, ["forbidden", "forbidden", "forbidden", "tooManyChannels"]);
}

#[tokio::test]
async fn the_grants_of_one_way_to_authenticate_hold_for_its_callers_alone() {
    let staff = (|request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) })
        .allow_if(|_, _| async { Ok(true) });
    let guests = (|_: AuthRequest| async { Ok(Identity::anonymous()) }).allow("news:*").unwrap();
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, staff.or(guests))).await;
    let staff = fixture.stream("ana", &[("channels", "secret:1")]).await;
    assert_eq!(staff.connected.data["channels"], json!(["secret:1"]));
    let query = [("channels", "secret:1,news:1")];
    let guest = fixture.stream("", &query).await;
    assert_eq!(guest.connected.data["channels"], json!(["news:1"]), "{}", guest.connected.data);
}
