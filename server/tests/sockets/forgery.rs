//! Texts that could be taken for frames.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tidings::{Event, EventType, Limits, Rate, Routes, Source, UserId};

use crate::fixture::{Fixture, Stream, auth};

/// Any text, with many characters of the event stream's syntax.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "\n",
            "\r",
            "\r\n",
            "\n\n",
            "id: 1",
            "id:\0",
            "event: gap",
            "data: {}",
            "retry: 1",
            ":",
            "\u{feff}",
            "\u{2028}",
            "\0",
            "\u{85}",
            "\"",
            "\\",
            "\\n",
            "}",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

/// One case: the published event arrives unchanged in one frame, or is refused with an error that names the field.
async fn arrives_whole(fixture: &Fixture, payload: &str, kind: &str, user: &str) {
    let Ok(user) = UserId::new(user) else {
        assert!(fixture.hub.to_user(user).publish(Event::new("a", "t", "").unwrap()).await.is_err());
        return;
    };
    let kind = match EventType::new(kind) {
        Ok(kind) => kind,
        Err(_) => {
            assert!(Event::new("a", kind, payload).is_err());
            EventType::new("t").unwrap()
        }
    };
    let token: String = form_urlencoded::byte_serialize(user.as_str().as_bytes()).collect();
    let mut stream = fixture.stream(&token, &[]).await;
    assert_eq!(stream.connected.data["userId"], user.as_str());
    stream.raw.clear();

    let source = Source { user_id: Some(user.clone()), ..Source::default() };
    let event = Event::new("a", &*kind.to_string(), payload).unwrap().caused_by(source);
    let receipt = fixture.hub.to_user(&user).publish(event).await.unwrap();
    let frame = stream.named("message").await;
    assert_eq!(frame.id, receipt.cursor.to_string());
    let heard = |name: &str| frame.data[name].as_str().unwrap().to_owned();
    assert_eq!((heard("payload"), heard("type")), (payload.to_owned(), kind.to_string()));
    assert_eq!(frame.data["source"]["userId"], Value::from(user.as_str()));
    let raw = String::from_utf8(stream.raw).unwrap();
    let lines: Vec<_> = raw.split(['\r', '\n']).collect();
    assert!(
        matches!(lines[..], [id, data, "", ""] if id.starts_with("id: ") && data.starts_with("data: ")),
        "the frame must have two lines: {raw:?}"
    );
}

#[test]
fn no_text_forges_a_field_or_a_frame() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(Fixture::start());
    let mut canary = runtime.block_on(fixture.canary());
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let result = runner.run(&(text(), text(), text()), |(payload, kind, user)| {
        runtime.block_on(arrives_whole(&fixture, &payload, &kind, &user));
        Ok(())
    });
    result.unwrap();
    runtime.block_on(canary.lives());
}

/// Asserts that the next frames have exactly these names, and one `data:` line each.
async fn are_whole(stream: &mut Stream, names: &[&str]) -> Vec<Value> {
    let mut data = Vec::new();
    for name in names {
        data.push(stream.named(name).await.data);
    }
    let raw = String::from_utf8(std::mem::take(&mut stream.raw)).unwrap();
    let fields = raw.split(['\r', '\n']).filter(|line| !line.is_empty() && !line.starts_with("id: "));
    let named = names.iter().filter(|name| **name != "message").map(|name| format!("event: {name}"));
    let (events, lines): (Vec<_>, Vec<_>) = fields.partition(|line| line.starts_with("event: "));
    assert_eq!(events, named.collect::<Vec<_>>(), "{raw:?}");
    assert!(lines.len() == names.len() && lines.iter().all(|line| line.starts_with("data: ")), "{raw:?}");
    data
}

/// The fields of a published event that may contain a text, and the fields that they require.
const FIELDS: [&[&str]; 10] = [
    &["channel"],
    &["type"],
    &["key"],
    &["payload"],
    &["payload", "text"],
    &["source", "userId"],
    &["source", "deviceId"],
    &["source", "sessionId"],
    &["except", "sessionId"],
    &["except", "deviceId"],
];

fn at<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(value, |value, name| &mut value[name])
}

/// Publishes to Ana over HTTP with `text` in one field. The event is refused with an error, or arrives unchanged in one
/// frame.
async fn in_a_field(fixture: &Fixture, stream: &mut Stream, field: &[&str], text: &str) {
    let mut body = json!({"channel": "a", "type": "t", "to": {"users": ["ana"]}});
    if field[0] == "except" {
        body["except"] = json!({"userId": "bob"});
    }
    *at(&mut body, field) = text.into();
    let answer = fixture.client("backend").post("/publish", body).await;
    if answer.status != 200 {
        assert!(matches!(answer.body["code"].as_str(), Some("malformed" | "malformedChannel")), "{}", answer.body);
        return;
    }
    let mut heard = are_whole(stream, &["message"]).await.remove(0);
    if field != ["key"] {
        assert_eq!(*at(&mut heard, field), text);
    }
}

/// Subscribes with `text` as the request id. The call is refused, or the id is repeated unchanged in one frame.
async fn in_a_call(fixture: &Fixture, stream: &mut Stream, text: &str) {
    let body = json!({"connectionId": stream.connection_id(), "requestId": text, "channels": ["news:1"]});
    let answer = fixture.client("ana").post("/subscribe", body).await;
    if answer.status != 200 {
        answer.is_problem(400, "malformed");
        return;
    }
    assert_eq!(are_whole(stream, &["subscribed"]).await[0]["requestId"], text);
}

/// Opens a stream with `text` as its names. It is refused, or greeted with these names.
async fn in_the_names_of_a_stream(fixture: &Fixture, text: &str) {
    let query = [("deviceId", text), ("sessionId", text)];
    let response = fixture.client("ana").try_stream(&query).await;
    match response {
        Ok(stream) => assert_eq!(stream.connected.data["deviceId"], text),
        Err(answer) => answer.is_problem(400, "malformed"),
    }
}

#[test]
fn no_text_in_any_field_of_a_request_forges_a_field_or_a_frame() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limits = Limits::default().subscribe_rate(Rate::per_second(1_000_000));
    let fixture =
        runtime.block_on(Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth()).publish().limits(limits)));
    let mut canary = runtime.block_on(fixture.canary());
    let mut stream = runtime.block_on(fixture.stream("ana", &[]));
    stream.raw.clear();
    let stream = std::cell::RefCell::new(stream);
    // Half of the texts consist of characters that ids may have, so that many are accepted.
    let text = prop_oneof![text(), "[!-~]{1,20}"];
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let result = runner.run(&(text, prop::sample::select(FIELDS.to_vec())), |(text, field)| {
        let stream = &mut stream.borrow_mut();
        runtime.block_on(async {
            in_a_field(&fixture, stream, field, &text).await;
            in_a_call(&fixture, stream, &text).await;
            in_the_names_of_a_stream(&fixture, &text).await;
        });
        Ok(())
    });
    result.unwrap();
    runtime.block_on(canary.lives());
}

/// White space between the tokens of a publisher's JSON comes from the publisher too.
#[tokio::test]
async fn line_ends_between_the_tokens_of_a_payload_forge_nothing() {
    let fixture = Fixture::start().await;
    let mut stream = fixture.stream("ana", &[]).await;
    let payload = "{\n\n\"id\"\r\r:\r\n\r\n[1,\n\n2]}";
    let body = format!(r#"{{"channel":"a","type":"t","to":{{"users":["ana"]}},"payload":{payload}}}"#);
    fixture.client("backend").post_text("/publish", "application/json", &body).await.good();
    fixture.hub.to_user("ana").publish(Event::new("a", "t", "next").unwrap()).await.unwrap();
    assert_eq!(stream.event().await["payload"], json!({"id": [1, 2]}));
    stream.hears("next").await;
}
