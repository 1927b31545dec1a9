//! Access control, decided in one place: it is asked only once, and holds while everything happens at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tidings::{
    Channel, Cursor, Event, PresenceSettings, PublishError, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
    engine::{Engine, Memory},
};

use crate::fixture::{Fixture, Held, Stream, event};

/// Tokens are user ids without a time of issue, which counts as before everything.
async fn fixture() -> Fixture {
    let auth = |request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) };
    let auth = auth.allow("room:*").unwrap().allow("news:canary").unwrap();
    let auth = auth.allow_publish("*").unwrap().allow_presence("*").unwrap();
    let settings = |hub: tidings::HubBuilder| hub.presence(PresenceSettings::default());
    Fixture::mounting(settings, |hub| Routes::new(hub, auth).publish()).await
}

fn message(channel: &str) -> Value {
    json!({"channel": channel, "type": "said", "payload": 1})
}

#[tokio::test]
async fn a_revocation_holds_for_publishing_too() {
    let fixture = fixture().await;
    let mut canary = fixture.canary().await;
    let kim = fixture.client("kim");
    kim.post("/publish", message("room:1")).await.good();
    fixture.hub.revoke("kim", "room:1").await.unwrap();
    kim.post("/publish", message("room:1")).await.is_problem(403, "forbidden");
    kim.post("/publish", json!([message("room:2"), message("room:1")])).await.is_problem(403, "forbidden");
    kim.post("/publish", message("room:2")).await.good();
    fixture.client("bob").post("/publish", message("room:1")).await.good();
    fixture.hub.revoke("kim", "*").await.unwrap();
    kim.post("/publish", message("room:2")).await.is_problem(403, "forbidden");
    // A subscription by the server lets the user receive, and lets nobody publish.
    fixture.hub.subscribe("kim", "room:2").await.unwrap();
    kim.post("/publish", message("room:2")).await.is_problem(403, "forbidden");
    fixture.hub.restore("kim").await.unwrap();
    let mut restored = fixture.stream("kim", &[]).await;
    restored.named("subscribed").await;
    kim.post("/publish", message("room:2")).await.good();
    canary.lives().await;
}

#[tokio::test]
async fn a_node_that_has_not_read_a_revocation_yet_refuses_what_its_log_has_acknowledged() {
    let held = Held::new(tidings::engine::Memory::default());
    let auth = |request: AuthRequest| async move { Identity::user(request.bearer().ok_or(AuthError::Missing)?) };
    let auth = auth.allow("room:*").unwrap().allow_publish("*").unwrap();
    let engine = held.clone();
    let fixture = Fixture::mounting(|hub| hub.engine(engine), |hub| Routes::new(hub, auth).publish()).await;
    held.tail.shut();
    fixture.hub.revoke("kim", "room:1").await.unwrap();
    fixture.hub.disconnect("ana").await.unwrap();
    fixture.client("kim").post("/publish", message("room:1")).await.is_problem(403, "forbidden");
    fixture.client("ana").post("/publish", message("room:1")).await.is_problem(401, "credentialsRevoked");
    let kim = fixture.stream("kim", &[("channels", "room:1,room:2")]).await;
    assert_eq!(kim.connected.data["channels"], json!(["room:2"]));
}

#[tokio::test]
async fn an_order_that_was_not_given_is_not_carried_out_later() {
    let (overloaded, full) = (Held::new(Memory::default()), Held::new(Memory::default()));
    overloaded.overload();
    full.refuse();
    for held in [overloaded, full] {
        let engine = held.clone();
        let fixture = Fixture::with(|hub| hub.engine(engine)).await;
        let error = fixture.hub.restore("kim").await.unwrap_err();
        assert!(matches!(error, PublishError::Overloaded | PublishError::Refused(_)), "{error}");
        assert_eq!(held.metadata().list("").await.unwrap(), [], "{error}");
    }
}

/// Counts its calls, and the channels that it is asked about.
struct Counting {
    questions: Arc<AtomicUsize>,
    channels: Arc<AtomicUsize>,
}

#[async_trait::async_trait]
impl Auth for Counting {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        Identity::user(request.bearer().ok_or(AuthError::Missing)?)
    }

    async fn may_subscribe(&self, _: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        self.channels.fetch_add(channels.len(), Ordering::Relaxed);
        let even = |channel: &&Channel| channel.as_str().ends_with(['0', '2', '4', '6', '8']);
        // The answer also contains a channel that was not asked about.
        Ok(channels.iter().filter(even).cloned().chain(["secret".parse().unwrap()]).collect())
    }
}

#[tokio::test]
async fn the_application_is_asked_once_for_all_channels_without_a_grant() {
    let (questions, channels) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let auth = Counting { questions: questions.clone(), channels: channels.clone() }.allow("news").unwrap();
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth)).await;
    let names: Vec<_> = (0..90).map(|number| format!("room:{number}")).collect();
    let query = [&["news", "room:*"], &*names.iter().map(String::as_str).collect::<Vec<_>>()].concat().join(",");
    let ana = fixture.stream("ana", &[("channels", &query)]).await;
    let accepted = ana.connected.data["channels"].as_array().unwrap();
    assert_eq!((accepted.len(), accepted.contains(&json!("room:88"))), (46, true));
    assert_eq!((questions.load(Ordering::Relaxed), channels.load(Ordering::Relaxed)), (1, 90));
    let call = json!({"connectionId": ana.connection_id(), "channels": ["room:7", "room:100", "news"]});
    let answer = fixture.client("ana").post("/subscribe", call).await.good();
    assert_eq!(answer["accepted"], json!(["room:100", "news"]), "{answer}");
    let refresh = json!({"connectionId": ana.connection_id()});
    fixture.client("ana").post("/refresh", refresh).await.good();
    assert_eq!(questions.load(Ordering::Relaxed), 3);
}

const USERS: usize = 80;
const STREAMS: usize = 7;

/// Reads one stream until it ends or receives `end`. Returns how many events it received, and the last one.
async fn listen(mut stream: Stream) -> (usize, u64) {
    let (mut count, mut last) = (0, 0);
    while let Some(frame) = stream.try_next().await {
        if frame.event != "message" {
            continue;
        }
        if frame.data["to"] == "user" {
            break;
        }
        count += 1;
        last = frame.id.parse::<Cursor>().unwrap().seq;
    }
    (count, last)
}

/// Every user has a room, to which events are published all the time, and refreshes their streams with existing
/// credentials; then the room is revoked, or the user is disconnected.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_reaches_eighty_users_after_they_were_revoked_however_much_happens_at_once() {
    let fixture = Arc::new(fixture().await);
    let mut canary = fixture.canary().await;
    let mut users = tokio::task::JoinSet::new();
    for number in 0..USERS {
        let fixture = fixture.clone();
        users.spawn(async move {
            let is_over = Arc::new(AtomicBool::new(false));
            let (user, room) = (format!("u{number}"), format!("room:{number}"));
            let client = fixture.client(&user);
            let (mut listening, mut ids) = (tokio::task::JoinSet::new(), Vec::new());
            for _ in 0..STREAMS {
                let stream = client.stream(&[("channels", &room)]).await;
                ids.push(stream.connection_id().to_owned());
                listening.spawn(listen(stream));
            }
            let publishing = {
                let (hub, room, is_over) = (fixture.hub.clone(), room.clone(), is_over.clone());
                tokio::spawn(async move {
                    while !is_over.load(Ordering::Relaxed) {
                        let events = (0..5).map(|number| Event::new(&*room, "t", &number).unwrap());
                        hub.publish_all(events).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                })
            };
            let refreshing = {
                let (client, is_over) = (client.clone(), is_over.clone());
                tokio::spawn(async move {
                    while !is_over.load(Ordering::Relaxed) {
                        for id in &ids {
                            client.post("/refresh", json!({"connectionId": id})).await;
                            client.post("/subscribe", json!({"connectionId": id, "channels": ["room:x"]})).await;
                        }
                    }
                })
            };
            tokio::time::sleep(Duration::from_millis(500)).await;
            let revoked = if number % 2 == 0 {
                fixture.hub.revoke(&*user, &*room).await.unwrap()
            } else {
                fixture.hub.disconnect(&*user).await.unwrap()
            };
            tokio::time::sleep(Duration::from_millis(200)).await;
            is_over.store(true, Ordering::Relaxed);
            publishing.await.unwrap();
            refreshing.await.unwrap();
            fixture.hub.to_user(&*user).publish(event("end", 1)).await.unwrap();
            let heard = listening.join_all().await;
            assert_eq!(heard.len(), STREAMS);
            let after = heard.iter().filter(|(_, last)| *last > revoked.cursor.seq).count();
            (heard.iter().map(|(count, _)| count).sum::<usize>(), after)
        });
    }
    let results = users.join_all().await;
    let (heard, after) = results.iter().fold((0, 0), |(heard, after), one| (heard + one.0, after + one.1));
    // `--nocapture` shows how much was tried.
    eprintln!("{heard} events reached {} streams; after the revocation: {after}", USERS * STREAMS);
    assert!(heard > USERS * STREAMS);
    assert_eq!(after, 0);
    canary.lives().await;
}
