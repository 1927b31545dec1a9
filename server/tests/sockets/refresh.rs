//! Streams whose credentials expire, and fresh credentials for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use tidings::{
    Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
};

use tokio::{sync::Notify, time::timeout};

use crate::fixture::{Answer, Fixture, Stream, eventually};

/// Tokens name the user, a channel beside the news, and the life of the credentials in milliseconds: `ana,timer:*,500`.
async fn fixture() -> Fixture {
    let auth = |request: AuthRequest| async move {
        let mut parts = request.bearer().ok_or(AuthError::Missing)?.split(',');
        let identity = Identity::user(parts.next().unwrap_or_default())?;
        let identity = match parts.next().filter(|grant| !grant.is_empty()) {
            Some(grant) => identity.allow(grant).map_err(|_| AuthError::Invalid)?,
            None => identity,
        };
        Ok(match parts.next().and_then(|left| left.parse().ok()) {
            Some(left) => identity.expires_at(SystemTime::now() + Duration::from_millis(left)),
            None => identity,
        })
    };
    let auth = auth.allow("news:*").unwrap().allow_if(|_, channel| async move { Ok(channel.as_str() == "asked") });
    Fixture::mounting(|hub| hub.heartbeat(Duration::from_millis(400)), |hub| Routes::new(hub, auth)).await
}

async fn refresh(fixture: &Fixture, token: &str, stream: &Stream) -> Answer {
    fixture.client(token).post("/refresh", json!({"connectionId": stream.connection_id()})).await
}

/// The next frame that is not a heartbeat.
async fn next(stream: &mut Stream) -> (String, Value) {
    let frame = async {
        loop {
            let frame = stream.next().await;
            if frame.event != "heartbeat" {
                return (frame.event, frame.data);
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), frame).await.expect("another frame in time")
}

#[tokio::test]
async fn a_stream_is_told_that_its_credentials_ended_and_a_refreshed_one_goes_on() {
    let fixture = fixture().await;
    let channels = [("channels", "news:1")];
    // Long enough for a busy machine to refresh one of the streams in time.
    let mut refreshed = fixture.stream("ana,,4000", &channels).await;
    let mut left = fixture.stream("ana,,4000", &channels).await;
    assert!(left.connected.data["expiresIn"].as_u64().unwrap() <= 3, "whole seconds");
    let answer = refresh(&fixture, "ana,,3600000", &refreshed).await.good();
    assert!((3_598..=3_600).contains(&answer["expiresIn"].as_u64().unwrap()), "{answer}");

    assert_eq!(next(&mut left).await, ("closing".into(), json!({"reason": "expired", "retryMs": 0})));
    assert!(left.try_next().await.is_none(), "it is the last frame");
    fixture.publish("news:1", "goes on").await;
    assert_eq!(next(&mut refreshed).await.1["payload"], "goes on");
}

#[tokio::test]
async fn credentials_for_ever_take_the_end_away() {
    let fixture = fixture().await;
    let stream = fixture.stream("ana,,60000", &[]).await;
    assert_eq!(refresh(&fixture, "ana", &stream).await.good(), json!({}));
}

#[tokio::test]
async fn a_channel_by_credentials_that_expire_sooner_ends_with_them() {
    let fixture = fixture().await;
    let (mut given, mut left) = (fixture.stream("ana", &[]).await, fixture.stream("ana", &[]).await);
    let short = fixture.client("ana,timer:*,3000");
    let ask = |stream: &Stream, channel: &str| json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": [channel]});
    short.post("/subscribe", ask(&given, "timer:1")).await.good();
    // This call has no effect.
    short.post("/subscribe", ask(&left, "secret")).await.good();
    assert_eq!(next(&mut given).await.0, "subscribed");
    assert_eq!(next(&mut given).await, ("closing".into(), json!({"reason": "expired", "retryMs": 0})));
    fixture.client("ana").post("/subscribe", ask(&left, "news:1")).await.good();
    assert_eq!(next(&mut left).await.0, "subscribed");
    fixture.publish("news:1", "goes on").await;
    assert_eq!(next(&mut left).await.1["payload"], "goes on");
}

#[tokio::test]
async fn channels_that_fresh_credentials_do_not_cover_are_revoked() {
    let fixture = fixture().await;
    let mut stream = fixture.stream("ana,timer:*", &[("channels", "timer:1,news:1,timer:2:*,asked")]).await;
    refresh(&fixture, "ana,timer:1", &stream).await.good();
    assert_eq!(next(&mut stream).await, ("revoked".into(), json!({"channels": ["timer:2:*"], "code": "forbidden"})));
    fixture.publish("timer:2:3", "not any more").await;
    for channel in ["timer:1", "news:1", "asked"] {
        fixture.publish(channel, channel).await;
        assert_eq!(next(&mut stream).await.1["payload"], channel);
    }
}

#[tokio::test]
async fn the_same_grants_again_revoke_nothing() {
    let fixture = fixture().await;
    let mut stream = fixture.stream("ana,timer:*", &[("channels", "timer:1")]).await;
    refresh(&fixture, "ana,timer:*", &stream).await.good();
    fixture.publish("timer:1", "goes on").await;
    assert_eq!(next(&mut stream).await.1["payload"], "goes on");
}

#[tokio::test]
async fn a_refresh_of_another_users_stream_is_refused() {
    let fixture = fixture().await;
    let mut stream = fixture.stream("ana,timer:*", &[("channels", "timer:1")]).await;
    refresh(&fixture, "eve,,1", &stream).await.is_problem(403, "forbidden");
    refresh(&fixture, "", &stream).await.is_problem(401, "credentialsMissing");
    refresh(&fixture, "ana,,0", &stream).await.is_problem(401, "credentialsExpired");
    fixture.publish("timer:1", "goes on").await;
    assert_eq!(next(&mut stream).await.1["payload"], "goes on");
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_told() {
    let fixture = fixture().await;
    let nowhere = json!({"connectionId": "00000000.0"});
    fixture.client("ana").post("/refresh", nowhere).await.is_problem(404, "unknownConnection");
    fixture.client("ana").post("/refresh", json!({})).await.is_problem(400, "malformed");
}

#[tokio::test]
async fn a_refresh_that_comes_late_takes_nothing_from_the_next_stream() {
    let (slow, asked, go) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()), Arc::new(Notify::new()));
    let parts = (slow.clone(), asked.clone(), go.clone());
    let auth = (|request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) })
        .allow_if(move |_, _| {
            let (slow, asked, go) = parts.clone();
            async move {
                if slow.swap(false, Ordering::SeqCst) {
                    asked.notify_one();
                    go.notified().await; // a slow database
                    return Ok(false);
                }
                Ok(true)
            }
        });
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth)).await;
    let first = fixture.stream("ana", &[("channels", "room:1")]).await;
    let id = first.connection_id().to_owned();
    slow.store(true, Ordering::SeqCst);
    let client = fixture.client("ana");
    let refresh = tokio::spawn(async move { client.post("/refresh", json!({"connectionId": id})).await });
    asked.notified().await;
    drop(first);
    eventually(|| fixture.hub.connection_count("ana").unwrap() == 0).await;
    let mut second = fixture.stream("ana", &[("channels", "room:1")]).await;
    go.notify_one();
    let _ = refresh.await.unwrap();
    fixture.publish("room:1", "tea").await;
    let heard = timeout(Duration::from_secs(5), second.hears("tea")).await;
    assert!(heard.is_ok(), "the second stream is subscribed to room:1 and hears nothing");
}
