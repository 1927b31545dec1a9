//! Texts that would like to be frames.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::Value;
use tidings::{Event, EventType, Source, UserId};

use crate::fixture::Fixture;

/// Any text, rich in what matters to an event stream.
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

/// One case: what is published, and by whom it is heard, arrives as it was, in one frame, or is refused by name.
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
    let event = Event::new("a", &*kind.to_string(), payload).unwrap().source(source);
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
        "one frame of two lines: {raw:?}"
    );
}

#[test]
fn no_text_forges_a_field_or_a_frame() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fixture = runtime.block_on(Fixture::start());
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let result = runner.run(&(text(), text(), text()), |(payload, kind, user)| {
        runtime.block_on(arrives_whole(&fixture, &payload, &kind, &user));
        Ok(())
    });
    result.unwrap();
}
