//! The golden fixtures, as `fixtures/README.md` describes them.

use serde_json::{Value, from_str, from_value, to_value};
use tidings_protocol::{
    Channel, ChannelError, Cursor, DeviceId, Except, Pattern, SessionId, UserId,
    command::{
        AliveRequest, CheckAnswer, PollRequest, PresenceAnswer, PresenceRequest, PublishAnswer, PublishRequest,
        RefreshAnswer, RefreshRequest, SubscribeAnswer, SubscribeRequest, TicketAnswer, TicketRequest,
    },
    frame::{ClosingReason, Frame, GapReason, RejectCode},
    problem::{Code, Problem},
    segment,
    sse::Decoder,
};

macro_rules! fixture {
    ($name:literal) => {
        from_str::<Value>(include_str!(concat!("../fixtures/", $name, ".json"))).unwrap()
    };
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn why(error: ChannelError) -> &'static str {
    match error {
        ChannelError::EmptySegment => "emptySegment",
        ChannelError::TooLong => "tooLong",
        ChannelError::TooManySegments => "tooManySegments",
        ChannelError::Character => "character",
        ChannelError::Wildcard => "wildcard",
        _ => "other",
    }
}

#[test]
fn channels_and_patterns_are_told_from_other_texts() {
    let fixture = fixture!("channels");
    for valid in list(&fixture["channels"]["valid"]) {
        assert!(text(valid).parse::<Channel>().is_ok(), "{valid}");
    }
    for case in list(&fixture["channels"]["invalid"]) {
        assert_eq!(text(&case["text"]).parse::<Channel>().map_err(why), Err(text(&case["why"])), "{case}");
    }
    for valid in list(&fixture["patterns"]["valid"]) {
        assert!(text(valid).parse::<Pattern>().is_ok(), "{valid}");
    }
    for case in list(&fixture["patterns"]["invalid"]) {
        assert_eq!(text(&case["text"]).parse::<Pattern>().map_err(why), Err(text(&case["why"])), "{case}");
    }
}

#[test]
fn patterns_match_both_ways() {
    for case in list(&fixture!("channels")["matches"]) {
        let a: Pattern = text(&case["a"]).parse().unwrap();
        let b: Pattern = text(&case["b"]).parse().unwrap();
        assert_eq!(a.overlaps(&b), case["overlaps"], "{case}");
        assert_eq!(b.overlaps(&a), case["overlaps"], "{case}");
        assert_eq!(a.covers(&b), case["aCoversB"], "{case}");
        assert_eq!(b.covers(&a), case["bCoversA"], "{case}");
    }
}

#[test]
fn segments_are_escaped() {
    for case in list(&fixture!("channels")["segments"]) {
        assert_eq!(segment(text(&case["id"])), text(&case["segment"]), "{case}");
    }
}

#[test]
fn ids_are_told_from_other_texts() {
    let fixture = fixture!("ids");
    for (id, valid) in [("userId", true), ("deviceId", true), ("userId", false), ("deviceId", false)] {
        for case in list(&fixture[id][if valid { "valid" } else { "invalid" }]) {
            let parsed = match id {
                "userId" => UserId::new(text(case)).is_ok(),
                _ => DeviceId::new(text(case)).is_ok(),
            };
            assert_eq!(parsed, valid, "{id} {case}");
        }
    }
}

#[test]
fn cursors_are_told_from_other_texts() {
    let fixture = fixture!("cursors");
    for case in list(&fixture["valid"]) {
        let cursor: Cursor = text(&case["text"]).parse().unwrap();
        assert_eq!(cursor.epoch.to_string(), text(&case["epoch"]));
        assert_eq!(cursor.seq.to_string(), text(&case["seq"]));
        assert_eq!(cursor.tag.to_string(), text(&case["tag"]));
        assert_eq!(cursor.to_string(), text(&case["text"]));
    }
    for invalid in list(&fixture["invalid"]) {
        assert!(text(invalid).parse::<Cursor>().is_err(), "{invalid}");
    }
}

fn bytes(chunk: &Value) -> Vec<u8> {
    match chunk.get("hex") {
        Some(hex) => {
            let digits = text(hex).as_bytes().chunks(2);
            digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
        }
        None => text(chunk).into(),
    }
}

#[test]
fn streams_decode_as_the_standard_says() {
    for case in list(&fixture!("decoder")) {
        let mut decoder = Decoder::new();
        let mut messages = Vec::new();
        for chunk in list(&case["chunks"]) {
            decoder
                .push(&bytes(chunk), |m| {
                    messages.push(serde_json::json!({
                        "event": m.event, "data": m.data, "lastEventId": m.last_event_id,
                    }));
                })
                .unwrap();
        }
        assert_eq!(Value::from(messages), case["messages"], "{}", case["name"]);
        assert_eq!(&*decoder.last_event_id(), case["lastEventId"], "{}", case["name"]);
        assert_eq!(decoder.retry().map(Value::from).unwrap_or_default(), case["retry"], "{}", case["name"]);
    }
}

/// The frame's data, extracted from its SSE text.
fn data_of(frame: &Frame) -> Value {
    let mut stream = String::new();
    frame.encode(&mut stream, None);
    let mut data = None;
    Decoder::new().push(stream.as_bytes(), |message| data = Some(from_str(message.data).unwrap())).unwrap();
    data.unwrap()
}

#[test]
fn frames_are_read_and_written_byte_for_byte() {
    for case in list(&fixture!("frames")["written"]) {
        let id: Option<Cursor> = from_value(case["id"].clone()).unwrap();
        let mut read = Vec::new();
        let decoded = Decoder::new().push(text(&case["text"]).as_bytes(), |message| {
            assert_eq!(message.event, text(&case["event"]));
            assert_eq!(message.last_event_id, case["id"].as_str().unwrap_or_default());
            read.push(Frame::parse(message.event, message.data).unwrap().unwrap());
        });
        decoded.unwrap();
        let [frame] = &read[..] else { panic!("one frame: {case}") };
        assert_eq!(frame.name(), text(&case["event"]));
        assert_eq!(data_of(frame), case["data"], "{}", case["name"]);
        let mut written = String::new();
        frame.encode(&mut written, id.as_ref());
        assert_eq!(written, text(&case["text"]), "{}", case["name"]);
    }
}

#[test]
fn frames_of_newer_servers_are_read() {
    let fixture = fixture!("frames");
    for case in list(&fixture["read"]) {
        let frame = Frame::parse(text(&case["event"]), &case["data"].to_string()).unwrap().unwrap();
        assert_eq!(data_of(&frame), case["means"], "{}", case["name"]);
    }
    for case in list(&fixture["ignored"]) {
        assert!(Frame::parse(text(&case["event"]), text(&case["data"])).unwrap().is_none(), "{case}");
    }
}

#[test]
fn unreadable_frames_are_told() {
    for case in list(&fixture!("frames")["refused"]) {
        let error = Frame::parse(text(&case["event"]), text(&case["data"])).unwrap_err();
        assert_eq!(error.name, text(&case["event"]));
    }
}

fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(body: &Value) -> serde_json::Result<Value> {
    from_str::<T>(&body.to_string()).and_then(to_value)
}

#[test]
fn requests_and_answers_survive_a_round_trip() {
    let fixture = fixture!("commands");
    for case in list(&fixture["requests"]) {
        let parsed = match text(&case["call"]) {
            "publish" => round_trip::<PublishRequest>(&case["body"]),
            "ticket" => round_trip::<TicketRequest>(&case["body"]),
            "refresh" => round_trip::<RefreshRequest>(&case["body"]),
            "presence" => round_trip::<PresenceRequest>(&case["body"]),
            "alive" => round_trip::<AliveRequest>(&case["body"]),
            "poll" => round_trip::<PollRequest>(&case["body"]),
            _ => round_trip::<SubscribeRequest>(&case["body"]),
        };
        assert_eq!(parsed.unwrap(), case["body"], "{}", case["name"]);
    }
    for case in list(&fixture["answers"]) {
        let parsed = match text(&case["call"]) {
            "publish" => round_trip::<PublishAnswer>(&case["body"]),
            "ticket" => round_trip::<TicketAnswer>(&case["body"]),
            "refresh" => round_trip::<RefreshAnswer>(&case["body"]),
            "presence" => round_trip::<PresenceAnswer>(&case["body"]),
            "check" => round_trip::<CheckAnswer>(&case["body"]),
            _ => round_trip::<SubscribeAnswer>(&case["body"]),
        };
        assert_eq!(parsed.unwrap(), case["body"], "{}", case["name"]);
    }
}

#[test]
fn malformed_requests_are_refused() {
    for case in list(&fixture!("commands")["refused"]) {
        let parsed = match text(&case["call"]) {
            "publish" => round_trip::<PublishRequest>(&case["body"]),
            "ticket" => round_trip::<TicketRequest>(&case["body"]),
            "refresh" => round_trip::<RefreshRequest>(&case["body"]),
            "presence" => round_trip::<PresenceRequest>(&case["body"]),
            "alive" => round_trip::<AliveRequest>(&case["body"]),
            "poll" => round_trip::<PollRequest>(&case["body"]),
            _ => round_trip::<SubscribeRequest>(&case["body"]),
        };
        assert!(parsed.is_err(), "{}", case["name"]);
    }
}

#[test]
fn exclusions_hide_from_whom_they_name() {
    for case in list(&fixture!("exclusions")) {
        let except: Except = from_value(case["except"].clone()).unwrap();
        let user: Option<UserId> = from_value(case["userId"].clone()).unwrap();
        let device: Option<DeviceId> = from_value(case["deviceId"].clone()).unwrap();
        let session: Option<SessionId> = from_value(case["sessionId"].clone()).unwrap();
        let hides = except.hides(user.as_ref(), device.as_ref(), session.as_ref());
        assert_eq!(hides, case["hides"], "{}", case["name"]);
    }
}

#[test]
fn every_word_is_in_the_fixtures() {
    let words = fixture!("words");
    let expected = |name: &str| list(&words[name]).iter().map(text).map(str::to_owned).collect::<Vec<_>>();
    let known = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(known(&GapReason::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>()), expected("gapReasons"));
    assert_eq!(known(&RejectCode::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>()), expected("rejectCodes"));
    assert_eq!(known(&ClosingReason::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>()), expected("closingReasons"));
    let problems = fixture!("problems");
    let codes: Vec<_> = list(&problems).iter().map(|case| text(&case["code"])).collect();
    assert_eq!(codes, Code::ALL.iter().map(|it| it.as_str()).collect::<Vec<_>>());
}

#[test]
fn problems_have_one_status_and_title_per_code() {
    for case in list(&fixture!("problems")) {
        let code = Code::parse(text(&case["code"])).unwrap();
        let mut problem = Problem::new(code);
        if let Some(detail) = case["detail"].as_str() {
            problem = problem.detail(detail);
        }
        assert_eq!(to_value(&problem).unwrap(), *case);
        assert_eq!(from_value::<Problem>(case.clone()).unwrap(), problem);
    }
}
