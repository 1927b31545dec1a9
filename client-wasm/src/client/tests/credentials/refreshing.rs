//! Refreshing the credentials of an open stream.

use super::*;

#[test]
fn a_stream_is_refreshed_before_its_credentials_expire_and_goes_on() {
    for (ms, from, to) in [(10_000, 8_000, 9_000), (3_600_000, 3_540_000, 3_570_000)] {
        let mut rig = open_for(Some(ms));
        let start = rig.now;
        let mut sent = Vec::new();
        while sent.is_empty() {
            rig.pass(10);
            rig.heartbeat(10);
            sent = rig.sent();
        }
        let after = rig.now - start;
        assert!((from..=to + 10).contains(&after), "{ms}: {after}");
        assert_eq!(sent[0].ask, Ask::Token);
        rig.status(sent[0].number, 200);
        let refresh = rig.sent_one();
        assert_eq!((refresh.url.as_str(), refresh.body.as_deref()), ("/e/refresh", Some(r#"{"connectionId":"n1"}"#)));
        assert_eq!(rig.record("a", 11).len(), 1, "events flow meanwhile");
        rig.answer(refresh.number, Answer { status: Some(200), expires_in_ms: Some(10_000), ..Answer::default() });
        rig.pass(9_000);
        assert_eq!(asked(&mut rig).0, Ask::Token, "and before the new ones expire");
        assert_eq!((rig.core.state(), rig.opened_any()), (State::Open, false));
        assert!(rig.failures().is_empty());
    }
}

#[test]
fn credentials_that_do_not_expire_are_not_refreshed() {
    let mut rig = open_for(None);
    for _ in 0..100 {
        rig.pass(30_000);
        rig.heartbeat(10);
    }
    assert!(rig.sent().is_empty());
}

#[test]
fn cookies_are_not_ours_to_refresh() {
    let mut rig = Rig::new();
    rig.core.connect();
    rig.settle();
    rig.expires_in_ms = Some(10_000);
    rig.connected("", 10, false);
    rig.pass(10_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn an_application_without_a_newer_token_is_asked_a_few_times_and_no_more() {
    let mut rig = open_for(Some(60_000));
    let mut times = 0;
    for _ in 0..60_000 {
        rig.pass(1);
        if rig.now.is_multiple_of(10_000) {
            rig.heartbeat(10);
        }
        for request in rig.sent() {
            assert_eq!(request.ask, Ask::Token, "the server knows this one");
            rig.status(request.number, 304);
            times += 1;
        }
    }
    assert!((2..=4).contains(&times), "{times}");
    assert!(rig.failures().is_empty(), "nothing is wrong");
}

#[test]
fn a_refresh_that_fails_for_a_moment_is_tried_again_no_sooner_than_the_server_says() {
    let least = |answer: &Answer| {
        let mut rig = open_for(Some(60_000));
        rig.heartbeat(10);
        rig.pass(30_000);
        rig.heartbeat(10);
        rig.pass(24_000);
        token(&mut rig, 200);
        let (.., number) = asked(&mut rig);
        rig.answer(number, answer.clone());
        (rig.core.deadline().unwrap() - rig.now, rig.failures().remove(0).will_retry, rig.core.state())
    };
    let unavailable = Answer { status: Some(503), retry_after_ms: Some(5_800), ..Answer::default() };
    assert_eq!(least(&unavailable), (5_800, true, State::Open));
    let (wait, ..) = least(&Answer { retry_after_ms: None, ..unavailable });
    assert!(wait <= 5_400, "{wait}");
}

#[test]
fn credentials_that_a_refresh_does_not_accept_leave_the_stream_alone() {
    let mut rig = open_for(Some(10_000));
    rig.pass(9_000);
    token(&mut rig, 200);
    let (.., number) = asked(&mut rig);
    rig.answer(number, refused(403));
    assert_eq!((&*rig.failures().remove(0).code, rig.core.state()), ("credentialsInvalid", State::Open));
    rig.pass(1_000);
    assert!(rig.sent().is_empty());
    assert_eq!(rig.record("a", 11).len(), 1);
    rig.frame(Frame::Closing { reason: "expired".into(), retry_ms: 0 });
    rig.pass(0);
    token(&mut rig, 200);
    assert_eq!(parameter(&rig.opened(), "lastEventId"), Some(at(11).to_string()));
}

#[test]
fn a_refresh_on_a_stream_that_the_server_lost_opens_another() {
    let mut rig = open_for(Some(10_000));
    rig.pass(9_000);
    token(&mut rig, 200);
    let (.., number) = asked(&mut rig);
    rig.status(number, 404);
    assert_eq!(rig.core.state(), State::Waiting);
}

#[test]
fn a_call_that_is_refused_for_its_token_goes_again_with_another() {
    let mut rig = open_for(None);
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one();
    rig.answer(call.number, refused(401));
    assert!(rig.failures().is_empty());
    token(&mut rig, 200);
    let refresh = rig.sent_one();
    assert_eq!(refresh.url, "/e/refresh");
    rig.status(refresh.number, 200);
    rig.pass(1_000);
    let again = rig.sent_one();
    assert_eq!((again.number, &again.url), (call.number, &call.url));
}

#[test]
fn a_call_whose_other_token_is_refused_too_waits() {
    let mut rig = open_for(None);
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, refused(401));
    token(&mut rig, 304);
    rig.pass(1_000);
    rig.sent_one();
    rig.answer(call, refused(401));
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("credentialsInvalid", true));
    rig.pass(29_999);
    assert!(rig.sent().is_empty());
}

#[test]
fn fresh_credentials_bring_back_what_the_ones_before_did_not_cover() {
    let mut rig = open_for(Some(10_000));
    let handler = HandlerId(0);
    rig.frame(Frame::Revoked { channels: patterns("a"), addressed: false, code: "forbidden".into() });
    assert_eq!(rig.settled(), [(handler, Some("forbidden".into()))]);
    rig.pass(9_000);
    token(&mut rig, 200);
    let refresh = rig.sent_one().number;
    rig.answer(refresh, Answer { status: Some(200), expires_in_ms: Some(10_000), ..Answer::default() });
    let call = rig.sent_one();
    assert!(call.body.unwrap().ends_with(r#""channels":["a"]}"#));
    rig.subscribed(call.number, "a", 12);
    assert_eq!((rig.settled(), rig.gaps().len()), (vec![(handler, None)], 1));
    assert_eq!(rig.record("a", 13), [handler]);
}
