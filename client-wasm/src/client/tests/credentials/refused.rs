//! Tokens that are refused, and streams that fail without a reason.

use super::*;

#[test]
fn a_refused_token_is_asked_for_once_more_and_the_other_one_is_tried_at_once() {
    let mut rig = rig(Access::Ticket);
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, refused(401));
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
    rig.answer(number, refused(401));
    for attempt in 1..5 {
        token(&mut rig, 200);
        let number = ticket(&mut rig);
        rig.answer(number, refused(401));
        let failure = rig.failures().remove(0);
        let told = (&*failure.code, failure.status, failure.will_retry);
        assert_eq!(told, ("credentialsInvalid", Some(401), true), "attempt {attempt}");
        rig.core.online(rig.now);
        rig.pass(29_999);
        assert!(rig.sent().is_empty(), "attempt {attempt}");
        rig.pass(1);
    }
    rig.sent();
    rig.core.connect();
    rig.settle();
    assert_eq!(rig.core.state(), State::Connecting);
}

#[test]
fn the_same_token_is_not_shown_twice() {
    let mut rig = rig(Access::Ticket);
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, refused(401));
    token(&mut rig, 304);
    assert!(rig.sent().is_empty());
    assert_eq!((&*rig.failures().remove(0).code, rig.core.deadline()), ("credentialsInvalid", Some(rig.now + 30_000)));
    rig.pass(30_000);
    assert_eq!(asked(&mut rig).0, Ask::Token);
}

#[test]
fn a_stream_that_shows_its_status_needs_no_diagnosis() {
    let mut rig = rig(Access::Token);
    token(&mut rig, 200);
    rig.opened();
    rig.core.refused(rig.now, refused(401));
    rig.settle();
    token(&mut rig, 200);
    rig.opened();
    rig.core.refused(rig.now, refused(429));
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
    rig.answer(number, refused(401));
    token(&mut rig, 304);
    let status = rig.statuses().pop().unwrap();
    assert_eq!((status.state, status.attempt), (State::Waiting, 1), "one refusal is one failure");
}

#[test]
fn no_answer_from_another_origin_is_probed_without_credentials() {
    for (answer, code) in [(Some("cors"), "cors"), (None, "network")] {
        let mut rig = Rig::with(Config { cross_origin: true, ..Config::new("/e") });
        rig.core.connect();
        rig.settle();
        rig.fail();
        let (.., check) = asked(&mut rig);
        rig.answer(check, Answer::default());
        let (ask, url, probe) = asked(&mut rig);
        assert_eq!((ask, url.as_str()), (Ask::Probe, "/e/check?deviceId=d1&protocol=2"));
        assert!(rig.failures().is_empty());
        rig.answer(probe, Answer { code: answer.map(str::to_owned), ..Answer::default() });
        assert_eq!(rig.failures()[0].code, code);
        assert_eq!(rig.statuses().pop().unwrap().attempt, 1);
    }
}

#[test]
fn a_ticket_that_cors_hides_is_probed_as_well() {
    let mut rig = Rig::with(Config { cross_origin: true, access: Access::Ticket, ..Config::new("/e") });
    rig.core.connect();
    rig.settle();
    token(&mut rig, 200);
    let number = ticket(&mut rig);
    rig.answer(number, Answer::default());
    let (ask, _, probe) = asked(&mut rig);
    assert_eq!(ask, Ask::Probe);
    rig.answer(probe, Answer { code: Some("cors".into()), ..Answer::default() });
    assert_eq!(rig.failures()[0].code, "cors");
}
