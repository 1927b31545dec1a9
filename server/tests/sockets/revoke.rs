//! Access that is revoked from a user while they listen, and stays revoked.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tidings::{
    HubBuilder, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::{Memory, Sqlite},
};

use crate::fixture::{Fixture, Held, Stream, event, eventually};

/// Tokens name the user and how many seconds ago the token was issued: `ana,3600`. Without the number the time of issue
/// is unknown.
async fn fixture_with(settings: impl FnOnce(HubBuilder) -> HubBuilder) -> Fixture {
    let auth = |request: AuthRequest| async move {
        let mut parts = request.bearer().ok_or(AuthError::Missing)?.split(',');
        let identity = Identity::user(parts.next().unwrap_or_default())?;
        Ok(match parts.next().and_then(|ago| ago.parse::<i64>().ok()) {
            Some(ago) if ago < 0 => identity.issued_at(SystemTime::now() + Duration::from_secs(ago.unsigned_abs())),
            Some(ago) => identity.issued_at(SystemTime::now() - Duration::from_secs(ago.unsigned_abs())),
            None => identity,
        })
    };
    let auth = auth.allow("room:*").unwrap().allow("news").unwrap().allow_publish("room:*").unwrap();
    Fixture::mounting(settings, |hub| Routes::new(hub, auth).publish()).await
}

async fn fixture() -> Fixture {
    fixture_with(|hub| hub).await
}

fn revoked(channels: &[&str]) -> Value {
    json!({"channels": channels, "code": "forbidden"})
}

async fn is_closed(stream: &mut Stream) {
    assert_eq!(stream.named("closing").await.data, json!({"reason": "revoked", "retryMs": 0}));
    assert!(stream.try_next().await.is_none(), "it is the last frame");
}

#[tokio::test]
async fn nothing_published_after_a_revocation_reaches_the_revoked_and_all_before_it_does() {
    let fixture = fixture().await;
    let channels = [("channels", "room:1,room:2:*,news")];
    let mut ana = fixture.stream("ana", &channels).await;
    let mut bob = fixture.stream("bob", &channels).await;
    fixture.publish("room:1", "before").await;
    fixture.hub.revoke("ana", "room:*").await.unwrap();
    fixture.publish("room:1", "after").await;
    fixture.publish("news", "for all").await;
    ana.hears("before").await;
    assert_eq!(ana.named("revoked").await.data, revoked(&["room:1", "room:2:*"]));
    ana.hears("for all").await;
    for payload in ["before", "after", "for all"] {
        bob.hears(payload).await;
    }
}

#[tokio::test]
async fn a_pattern_that_overlaps_what_is_revoked_goes_as_a_whole() {
    let fixture = fixture().await;
    let mut ana = fixture.stream("ana", &[("channels", "room:*,room:1")]).await;
    fixture.hub.revoke("ana", "room:7").await.unwrap();
    fixture.publish("room:7", "not for her").await;
    fixture.publish("room:1", "for her").await;
    assert_eq!(ana.named("revoked").await.data, revoked(&["room:*"]));
    ana.hears("for her").await;
}

#[tokio::test]
async fn addressed_events_go_on_after_a_revocation_of_channels() {
    let fixture = fixture().await;
    let mut ana = fixture.stream("ana", &[("channels", "room:1")]).await;
    fixture.hub.revoke("ana", "*").await.unwrap();
    fixture.hub.to_user("ana").publish(event("room:1", "hers")).await.unwrap();
    ana.named("revoked").await;
    ana.hears("hers").await;
}

#[tokio::test]
async fn a_disconnected_user_receives_nothing_and_returns_with_newer_credentials_only() {
    let fixture = fixture().await;
    let mut ana = fixture.stream("ana,60", &[("channels", "news")]).await;
    let mut bob = fixture.stream("bob", &[("channels", "news")]).await;
    fixture.publish("news", "before").await;
    fixture.hub.disconnect("ana").await.unwrap();
    fixture.publish("news", "after").await;
    ana.hears("before").await;
    is_closed(&mut ana).await;
    bob.hears("before").await;
    bob.hears("after").await;

    for token in ["ana", "ana,60"] {
        let client = fixture.client(token);
        client.get("", &[]).await.is_problem(401, "credentialsRevoked");
        client.get("/check", &[]).await.is_problem(401, "credentialsRevoked");
        let event = json!({"channel": "room:1", "type": "said"});
        client.post("/publish", event).await.is_problem(401, "credentialsRevoked");
    }
    let newer = fixture.stream("ana,-60", &[("channels", "news")]).await;
    assert_eq!(newer.connected.data["channels"], json!(["news"]));
}

#[tokio::test]
async fn a_disconnected_device_takes_the_users_others_not_along() {
    let fixture = fixture().await;
    let mut laptop = fixture.stream("ana", &[("deviceId", "laptop")]).await;
    let mut phone = fixture.stream("ana", &[("deviceId", "phone"), ("channels", "news")]).await;
    fixture.hub.disconnect_device("ana", "laptop").await.unwrap();
    is_closed(&mut laptop).await;
    fixture.publish("news", "goes on").await;
    phone.hears("goes on").await;
    let ana = fixture.client("ana");
    for path in ["", "/check"] {
        ana.get(path, &[("deviceId", "laptop")]).await.is_problem(401, "credentialsRevoked");
    }
    ana.get("/check", &[("deviceId", "phone")]).await.good();
    ana.get("/check", &[("deviceId", "two words")]).await.is_problem(400, "malformed");
}

#[tokio::test]
async fn older_credentials_are_refused_what_was_revoked_on_a_new_stream_and_on_a_live_one() {
    let fixture = fixture().await;
    let mut ana = fixture.stream("ana,60", &[("channels", "room:1")]).await;
    fixture.hub.revoke("ana", "room:1").await.unwrap();
    ana.named("revoked").await;
    let rejected = json!([{"channel": "room:1", "code": "forbidden"}]);
    let call = json!({"connectionId": ana.connection_id(), "requestId": "r1", "channels": ["room:1"]});
    let answer = fixture.client("ana,60").post("/subscribe", call.clone()).await.good();
    assert_eq!(answer, json!({"accepted": [], "rejected": rejected}));
    let older = fixture.stream("ana,60", &[("channels", "room:1")]).await;
    assert_eq!((&older.connected.data["channels"], &older.connected.data["rejected"]), (&json!([]), &rejected));

    fixture.client("ana,-60").post("/subscribe", call).await.good();
    ana.named("subscribed").await;
    fixture.publish("room:1", "again").await;
    ana.hears("again").await;
}

#[tokio::test]
async fn a_restored_channel_is_open_to_older_credentials() {
    let fixture = fixture().await;
    let mut ana = fixture.stream("ana", &[("channels", "room:1,room:2")]).await;
    fixture.hub.revoke("ana", "room:*").await.unwrap();
    ana.named("revoked").await;
    fixture.hub.restore_channels("ana", "room:2").await.unwrap();
    fixture.hub.subscribe("ana", "news").await.unwrap();
    ana.named("subscribed").await;
    let still = fixture.stream("ana", &[("channels", "room:1,room:2")]).await;
    assert_eq!(still.connected.data["channels"], json!([]), "the restored pattern does not cover the revoked channel");
    fixture.hub.restore_channels("ana", "room:*").await.unwrap();
    fixture.hub.disconnect("ana").await.unwrap();
    is_closed(&mut ana).await;
    fixture.hub.restore("ana").await.unwrap();
    let allowed = || fixture.hub.cursor().seq == 6;
    eventually(allowed).await;
    let restored = fixture.stream("ana", &[("channels", "room:1,room:2")]).await;
    assert_eq!(restored.connected.data["channels"], json!(["room:1", "room:2"]));
}

#[tokio::test]
async fn a_resumed_stream_receives_nothing_after_a_revocation() {
    let fixture = fixture().await;
    let ana = fixture.stream("ana,60", &[("channels", "room:1,news")]).await;
    let cursor = ana.connected.id.clone();
    drop(ana);
    fixture.publish("room:1", "before").await;
    fixture.hub.revoke("ana", "room:1").await.unwrap();
    fixture.publish("room:1", "after").await;
    fixture.publish("news", "for all").await;
    eventually(|| fixture.hub.cursor().seq == 4).await;
    let mut back = fixture.stream("ana,60", &[("channels", "room:1,news"), ("lastEventId", &cursor)]).await;
    assert_eq!(back.connected.data["rejected"], json!([{"channel": "room:1", "code": "forbidden"}]));
    back.hears("for all").await;
    let call =
        json!({"connectionId": back.connection_id(), "requestId": "r1", "channels": ["room:1"], "since": cursor});
    let answer = fixture.client("ana,60").post("/subscribe", call).await.good();
    assert_eq!(answer["accepted"], json!([]), "asking for the past does not help");
}

#[tokio::test]
async fn a_stream_served_from_the_log_applies_an_order_at_its_place() {
    let engine = Held::new(Memory::default());
    let log = engine.clone();
    let fixture = fixture_with(|hub| hub.engine(engine).window_records(1)).await;
    let start = fixture.hub.cursor().to_string();
    for payload in ["one", "two"] {
        fixture.publish("room:1", payload).await;
    }
    // A revocation of another user does not concern her.
    fixture.hub.revoke("bob", "room:1").await.unwrap();
    for payload in ["three", "four", "five"] {
        fixture.publish("room:1", payload).await;
    }
    eventually(|| fixture.hub.cursor().seq == 6).await;
    let mut ana = fixture.stream("ana", &[("channels", "room:1"), ("lastEventId", &start)]).await;
    for payload in ["one", "two", "three", "four", "five"] {
        ana.hears(payload).await;
    }
    assert!(log.pages() > 0);
}

#[tokio::test]
async fn commands_take_a_place_in_the_log_and_are_no_events() {
    let fixture = fixture().await;
    let mut all = fixture.stream("ana", &[("channels", "room:*,news")]).await;
    let start = all.connected.id.clone();
    let first = fixture.publish("news", "one").await;
    let command = fixture.hub.disconnect("bob").await.unwrap();
    fixture.hub.subscribe("bob", "room:*").await.unwrap();
    let last = fixture.publish("news", "two").await;
    assert_eq!((command.cursor.seq, last.cursor.seq), (first.cursor.seq + 1, first.cursor.seq + 3));
    all.hears("one").await;
    all.hears("two").await;
    let at_command = command.cursor.to_string();
    let mut resumed = fixture.stream("ana", &[("channels", "news"), ("lastEventId", &at_command)]).await;
    assert_eq!(resumed.connected.data["resumed"], true, "the position of an order is a cursor like any other");
    resumed.hears("two").await;
    let call = json!({"connectionId": resumed.connection_id(), "requestId": "r1", "channels": ["room:*", "news"], "since": start});
    fixture.client("ana").post("/subscribe", call).await.good();
    for payload in ["one", "two"] {
        let frame = resumed.named("backfill").await;
        assert_eq!(frame.data["payload"], payload);
    }
    resumed.named("subscribed").await;
}

#[tokio::test]
async fn server_subscriptions_reach_present_and_later_streams_until_they_end() {
    let fixture = fixture().await;
    let mut now = fixture.stream("ana", &[]).await;
    fixture.hub.subscribe("ana", "secret:*").await.unwrap();
    let subscribed = now.named("subscribed").await.data;
    assert_eq!((&subscribed["requestId"], &subscribed["channels"]), (&json!("server"), &json!(["secret:*"])));
    let mut later = fixture.stream("ana", &[]).await;
    assert_eq!(later.named("subscribed").await.data["channels"], json!(["secret:*"]));
    fixture.publish("secret:1", "told").await;
    fixture.hub.unsubscribe("ana", "secret:*").await.unwrap();
    fixture.publish("secret:1", "not told").await;
    for stream in [&mut now, &mut later] {
        stream.hears("told").await;
        assert_eq!(stream.named("revoked").await.data, revoked(&["secret:*"]));
    }
}

/// A subscribe call on a stream.
fn ask(stream: &Stream, request: &str, channels: &[&str]) -> Value {
    json!({"connectionId": stream.connection_id(), "requestId": request, "channels": channels})
}

#[tokio::test]
async fn a_server_channel_may_be_subscribed_without_a_grant_while_it_lasts() {
    let fixture = fixture().await;
    let client = fixture.client("ana");
    let mut ana = fixture.stream("ana", &[]).await;
    let refused = json!([{"channel": "secret:1", "code": "forbidden"}]);
    let answer = client.post("/subscribe", ask(&ana, "r1", &["secret:1"])).await.good();
    assert_eq!(answer, json!({"accepted": [], "rejected": refused}));
    let before = fixture.publish("secret:1", "before").await.cursor.to_string();

    fixture.hub.subscribe("ana", "secret:*").await.unwrap();
    ana.named("subscribed").await;
    let mut call = ask(&ana, "r2", &["secret:1"]);
    call["since"] = json!(before);
    fixture.publish("secret:1", "told").await;
    ana.hears("told").await;
    let answer = client.post("/subscribe", call).await.good();
    assert_eq!(answer, json!({"accepted": ["secret:1"], "rejected": []}));
    assert_eq!(ana.named("backfill").await.data["payload"], "told");
    assert_eq!(ana.named("subscribed").await.data["requestId"], "r2");

    let query = [("channels", "secret:1,hidden")];
    let mut later = fixture.stream("ana", &query).await;
    assert_eq!(later.connected.data["channels"], json!(["secret:1"]));
    later.named("subscribed").await;
    let mut bob = fixture.stream("bob", &query).await;
    assert_eq!(bob.connected.data["channels"], json!([]), "it is hers alone");
    fixture.hub.unsubscribe("ana", "secret:*").await.unwrap();
    for stream in [&mut ana, &mut later] {
        assert_eq!(stream.named("revoked").await.data, revoked(&["secret:1", "secret:*"]));
    }
    fixture.publish("secret:1", "not told").await;
    fixture.hub.to_users(["ana", "bob"]).publish(event("note", "for both")).await.unwrap();
    for stream in [&mut ana, &mut later, &mut bob] {
        stream.hears("for both").await;
    }
    let last = fixture.stream("ana", &query).await;
    assert_eq!(last.connected.data["channels"], json!([]));
}

#[tokio::test]
async fn a_server_channel_after_a_revocation_survives_a_refresh() {
    let fixture = fixture().await;
    fixture.hub.revoke("ana", "room:*").await.unwrap();
    fixture.hub.subscribe("ana", "room:1").await.unwrap();
    eventually(|| fixture.hub.cursor().seq == 2).await;
    let mut ana = fixture.stream("ana,60", &[("channels", "room:1,room:2")]).await;
    assert_eq!(ana.connected.data["channels"], json!(["room:1"]));
    ana.named("subscribed").await;
    let refresh = json!({"connectionId": ana.connection_id()});
    fixture.client("ana,30").post("/refresh", refresh.clone()).await.good();
    fixture.publish("room:1", "still hers").await;
    ana.hears("still hers").await;
    // With newer credentials a grant covers the channel, and the grant is not revoked.
    fixture.client("ana,-60").post("/refresh", refresh).await.good();
    fixture.hub.unsubscribe("ana", "room:1").await.unwrap();
    fixture.publish("room:1", "hers by a grant").await;
    ana.hears("hers by a grant").await;
}

#[tokio::test]
async fn the_server_subscribes_a_user_to_no_more_than_a_stream_may_hold() {
    let fixture = fixture_with(|hub| hub.channels_per_connection(1)).await;
    fixture.hub.subscribe("ana", "a").await.unwrap();
    eventually(|| fixture.hub.cursor().seq == 1).await;
    fixture.hub.subscribe("ana", "a").await.unwrap();
    let error = fixture.hub.subscribe("ana", "b").await.unwrap_err();
    assert!(error.to_string().contains("as many as a stream may carry"), "{error}");
    assert!(fixture.hub.revoke("", "a").await.is_err() && fixture.hub.revoke("ana", "a::b").await.is_err());
}

mod restart {
    use super::*;

    /// A hub on this file, after the last one has released it.
    async fn start(path: &std::path::Path, records: u64, life: Duration) -> Fixture {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
        let engine = loop {
            match Sqlite::builder(path).records(records).open() {
                Ok(engine) => break engine,
                Err(error) => assert!(tokio::time::Instant::now() < deadline, "{error}"),
            }
            tokio::task::yield_now().await;
        };
        fixture_with(|hub| hub.engine(engine).revocation_life(life)).await
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[tokio::test]
    async fn a_revocation_survives_restarts_and_trimming_until_it_is_restored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidings.db");
        let fixture = start(&path, 3, DAY).await;
        fixture.hub.revoke("ana", "room:1").await.unwrap();
        fixture.hub.disconnect("bob").await.unwrap();
        fixture.hub.subscribe("ana", "secret").await.unwrap();
        fixture.hub.revoke("cat", "room:1").await.unwrap();
        fixture.hub.restore("cat").await.unwrap();
        for count in 0..20 {
            fixture.publish("news", count).await;
        }
        drop(fixture);

        let fixture = start(&path, 3, DAY).await;
        let query = [("channels", "room:1,news")];
        let mut ana = fixture.stream("ana,60", &query).await;
        assert_eq!(ana.connected.data["channels"], json!(["news"]));
        assert_eq!(ana.named("subscribed").await.data["channels"], json!(["secret"]));
        assert_eq!(fixture.stream("ana,-60", &query).await.connected.data["channels"], json!(["room:1", "news"]));
        assert_eq!(fixture.stream("cat", &query).await.connected.data["channels"], json!(["room:1", "news"]));
        fixture.client("bob").get("/check", &[]).await.is_problem(401, "credentialsRevoked");
        fixture.hub.restore("bob").await.unwrap();
        fixture.hub.restore("ana").await.unwrap();
        fixture.hub.unsubscribe("ana", "secret").await.unwrap();
        assert_eq!(ana.named("revoked").await.data, revoked(&["secret"]));
        for count in 0..20 {
            fixture.publish("news", count).await;
        }
        drop((ana, fixture));

        let fixture = start(&path, 3, DAY).await;
        fixture.client("bob").get("/check", &[]).await.good();
        let mut ana = fixture.stream("ana", &query).await;
        assert_eq!(ana.connected.data["channels"], json!(["room:1", "news"]));
        fixture.publish("secret", "not hers any more").await;
        fixture.publish("news", "hers").await;
        ana.hears("hers").await;
    }

    #[tokio::test]
    async fn a_revocation_is_forgotten_with_the_last_credentials_older_than_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tidings.db");
        let fixture = start(&path, 1, Duration::ZERO).await;
        fixture.hub.disconnect("ana").await.unwrap();
        fixture.publish("news", "trims it").await;
        drop(fixture);
        let fixture = start(&path, 1, DAY).await;
        fixture.client("ana").get("/check", &[]).await.good();
    }
}
