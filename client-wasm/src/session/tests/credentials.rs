//! Tokens, tickets, and refreshing a stream that is open.

use super::*;

fn rig(access: Access) -> Rig {
    let mut rig = Rig::with(Config { access, ..Config::new("/e") });
    rig.subscribe("a");
    rig.settle();
    rig
}

/// What was asked for since the last look, and under which number.
fn asked(rig: &mut Rig) -> (Ask, String, u32) {
    let Request { number, ask, url, .. } = rig.sent_one();
    (ask, url, number)
}

fn token(rig: &mut Rig, status: u16) {
    let (ask, url, number) = asked(rig);
    assert_eq!((ask, url.as_str()), (Ask::Token, ""));
    rig.status(number, status);
}

fn ticket(rig: &mut Rig) -> u32 {
    let request = rig.sent_one();
    assert_eq!((request.ask, request.url.as_str()), (Ask::Server, "/e/ticket"));
    assert_eq!(request.body.as_deref(), Some(r#"{"deviceId":"d1"}"#));
    request.number
}

fn give(rig: &mut Rig, number: u32, ticket: &str) {
    rig.answer(number, &Answer { status: Some(200), ticket: Some(ticket.into()), ..Answer::default() });
}

/// An open stream whose credentials last for so long.
fn open_for(ms: Option<u64>) -> Rig {
    let mut rig = rig(Access::Token);
    token(&mut rig, 200);
    rig.expires_in_ms = ms;
    rig.connected("a", 10, false);
    rig.done.clear();
    rig
}

fn refused(status: u16) -> Answer {
    Answer { status: Some(status), code: Some("credentialsInvalid".into()), ..Answer::default() }
}

#[test]
fn a_token_becomes_a_ticket_and_the_ticket_opens_the_stream() {
    let mut rig = rig(Access::Ticket);
    assert_eq!(rig.session.state(), State::Connecting);
    token(&mut rig, 200);
    assert!(!rig.opened_any());
    let number = ticket(&mut rig);
    give(&mut rig, number, "n1.x");
    let url = rig.opened();
    assert_eq!((channels_of(&url).as_str(), parameter(&url, "ticket").as_deref()), ("a", Some("n1.x")));
    assert_eq!(rig.statuses().len(), 1, "it connects all the time");
}

#[test]
fn each_stream_has_a_ticket_of_its_own() {
    let mut rig = rig(Access::Ticket);
    for name in ["t1", "t2"] {
        token(&mut rig, 304);
        let number = ticket(&mut rig);
        give(&mut rig, number, name);
        assert_eq!(parameter(&rig.opened(), "ticket").as_deref(), Some(name));
        rig.connected("a", 10, false);
        rig.fail();
        rig.pass(1_000);
    }
}

#[test]
fn where_streams_carry_headers_the_token_is_enough() {
    let mut rig = rig(Access::Token);
    token(&mut rig, 200);
    assert_eq!(rig.opened(), "/e?channels=a&deviceId=d1&sessionId=s1");
}

#[test]
fn without_a_token_the_stream_is_asked_for_all_the_same() {
    for access in [Access::Ticket, Access::Token] {
        let mut rig = rig(access);
        token(&mut rig, 204);
        assert_eq!(parameter(&rig.opened(), "ticket"), None);
    }
}

#[test]
fn what_is_subscribed_while_the_credentials_come_is_in_the_url() {
    let mut rig = rig(Access::Ticket);
    rig.subscribe("b");
    rig.settle();
    token(&mut rig, 200);
    rig.subscribe("c");
    let number = ticket(&mut rig);
    give(&mut rig, number, "t");
    assert_eq!(channels_of(&rig.opened()), "a b c");
}

#[test]
fn a_token_that_fails_is_told_and_asked_for_again() {
    let mut rig = rig(Access::Ticket);
    let (.., number) = asked(&mut rig);
    rig.answer(number, &Answer { detail: Some("offline".into()), ..Answer::default() });
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry, failure.detail.as_deref()), ("tokenFailed", true, Some("offline")));
    rig.pass(1_000);
    token(&mut rig, 200);
}

#[test]
fn a_token_that_never_comes_fails() {
    let mut rig = rig(Access::Ticket);
    rig.sent();
    rig.pass(30_000);
    assert_eq!(rig.failures()[0].code, "tokenFailed");
}

#[test]
fn a_refused_token_is_asked_for_once_more_and_the_other_one_is_tried_at_once() {
    let mut rig = rig(Access::Ticket);
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, &refused(401));
    assert!(rig.failures().is_empty(), "it may be an old one that is still lying about");
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    give(&mut rig, number, "t");
    assert_eq!(parameter(&rig.opened(), "ticket").as_deref(), Some("t"));
}

#[test]
fn a_token_that_is_refused_twice_brings_no_storm() {
    let mut rig = rig(Access::Ticket);
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, &refused(401));
    for attempt in 1..5 {
        token(&mut rig, 200);
        let number = ticket(&mut rig);
        rig.answer(number, &refused(401));
        let failure = rig.failures().remove(0);
        let told = (&*failure.code, failure.status, failure.will_retry);
        assert_eq!(told, ("credentialsInvalid", Some(401), true), "attempt {attempt}");
        rig.session.online(rig.now);
        rig.pass(29_999);
        assert!(rig.sent().is_empty(), "attempt {attempt}");
        rig.pass(1);
    }
    rig.sent();
    rig.session.connect();
    rig.settle();
    assert_eq!(rig.session.state(), State::Connecting);
}

#[test]
fn the_same_token_is_not_shown_twice() {
    let mut rig = rig(Access::Ticket);
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, &refused(401));
    token(&mut rig, 304);
    assert!(rig.sent().is_empty());
    assert_eq!(
        (&*rig.failures().remove(0).code, rig.session.deadline()),
        ("credentialsInvalid", Some(rig.now + 30_000))
    );
    rig.pass(30_000);
    assert_eq!(asked(&mut rig).0, Ask::Token);
}

#[test]
fn a_stream_that_shows_its_status_needs_no_diagnosis() {
    let mut rig = rig(Access::Token);
    token(&mut rig, 200);
    rig.opened();
    rig.session.refused(rig.now, &refused(401));
    rig.settle();
    token(&mut rig, 200);
    rig.opened();
    rig.session.refused(rig.now, &refused(429));
    rig.settle();
    assert!(rig.sent().is_empty());
    assert_eq!((rig.failures().remove(0).status, rig.statuses().last().unwrap().attempt), (Some(429), 1));
}

#[test]
fn a_diagnosis_that_finds_the_token_bad_tries_another() {
    let mut rig = rig(Access::Ticket);
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    give(&mut rig, number, "t");
    rig.opened();
    rig.fail();
    let (ask, url, number) = asked(&mut rig);
    assert_eq!((ask, url.as_str()), (Ask::Server, "/e/check?deviceId=d1&protocol=2"));
    rig.answer(number, &refused(401));
    token(&mut rig, 304);
    let status = rig.statuses().pop().unwrap();
    assert_eq!((status.state, status.attempt), (State::Waiting, 1), "one refusal is one failure");
}

#[test]
fn no_answer_from_another_origin_is_probed_without_credentials() {
    for (answer, code) in [(Some("cors"), "cors"), (None, "network")] {
        let mut rig = Rig::with(Config { cross_origin: true, ..Config::new("/e") });
        rig.session.connect();
        rig.settle();
        rig.fail();
        let (.., check) = asked(&mut rig);
        rig.answer(check, &Answer::default());
        let (ask, url, probe) = asked(&mut rig);
        assert_eq!((ask, url.as_str()), (Ask::Probe, "/e/check?deviceId=d1&protocol=2"));
        assert!(rig.failures().is_empty());
        rig.answer(probe, &Answer { code: answer.map(str::to_owned), ..Answer::default() });
        assert_eq!(rig.failures()[0].code, code);
        assert_eq!(rig.statuses().pop().unwrap().attempt, 1);
    }
}

#[test]
fn a_ticket_that_cors_hides_is_probed_as_well() {
    let mut rig = Rig::with(Config { cross_origin: true, access: Access::Ticket, ..Config::new("/e") });
    rig.session.connect();
    rig.settle();
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, &Answer::default());
    let (ask, _, probe) = asked(&mut rig);
    assert_eq!(ask, Ask::Probe);
    rig.answer(probe, &Answer { code: Some("cors".into()), ..Answer::default() });
    assert_eq!(rig.failures()[0].code, "cors");
}

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
        rig.answer(refresh.number, &Answer { status: Some(200), expires_in_ms: Some(10_000), ..Answer::default() });
        rig.pass(9_000);
        assert_eq!(asked(&mut rig).0, Ask::Token, "and before the new ones expire");
        assert_eq!((rig.session.state(), rig.opened_any()), (State::Open, false));
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
    rig.session.connect();
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
        rig.answer(number, answer);
        (rig.session.deadline().unwrap() - rig.now, rig.failures().remove(0).will_retry, rig.session.state())
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
    rig.answer(number, &refused(403));
    assert_eq!((&*rig.failures().remove(0).code, rig.session.state()), ("credentialsInvalid", State::Open));
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
    assert_eq!(rig.session.state(), State::Waiting);
}

#[test]
fn a_call_that_is_refused_for_its_token_goes_again_with_another() {
    let mut rig = open_for(None);
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one();
    rig.answer(call.number, &refused(401));
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
    rig.answer(call, &refused(401));
    token(&mut rig, 304);
    rig.pass(1_000);
    rig.sent_one();
    rig.answer(call, &refused(401));
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("credentialsInvalid", true));
    rig.pass(29_999);
    assert!(rig.sent().is_empty());
}

#[test]
fn what_is_revoked_after_it_was_confirmed_is_told_to_its_handler() {
    let mut rig = Rig::new();
    let handler = rig.subscribe("a");
    rig.settle();
    rig.connected("a", 10, false);
    assert_eq!(rig.settled(), [(handler, None)]);
    rig.frame(Frame::Revoked { channels: patterns("a"), addressed: false, code: "forbidden".into() });
    assert_eq!(rig.settled(), [(handler, Some("forbidden".into()))]);
    assert_eq!(rig.failures()[0].channel, patterns("a").pop());
    rig.frame(Frame::Revoked { channels: patterns("a"), addressed: false, code: "forbidden".into() });
    assert!(rig.settled().is_empty() && rig.failures().is_empty());
}

#[test]
fn what_is_lost_between_two_streams_is_told_to_its_handler_as_well() {
    let mut rig = Rig::open("a");
    let handler = HandlerId(0);
    rig.reopen();
    let rejected = vec![Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }];
    rig.frame(Frame::Connected(Connected { id: Some(at(10)), resumed: true, rejected, ..Connected::default() }));
    assert_eq!(rig.settled(), [(handler, Some("forbidden".into()))]);
    assert_eq!(rig.failures().len(), 1);
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
    rig.answer(refresh, &Answer { status: Some(200), expires_in_ms: Some(10_000), ..Answer::default() });
    let call = rig.sent_one();
    assert!(call.body.unwrap().ends_with(r#""channels":["a"]}"#));
    rig.subscribed(call.number, "a", 12);
    assert_eq!((rig.settled(), rig.gaps().len()), (vec![(handler, None)], 1));
    assert_eq!(rig.record("a", 13), [handler]);
}

#[test]
fn a_stream_that_was_replaced_does_not_come_back_by_itself() {
    let mut rig = Rig::open("a");
    rig.pass(6_000);
    rig.frame(Frame::Closing { reason: "replaced".into(), retry_ms: 0 });
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("replaced", false));
    assert_eq!((rig.session.state(), rig.session.deadline()), (State::Closed, None));
}
