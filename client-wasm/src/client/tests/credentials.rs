//! Tokens, tickets, and refreshing an open stream.

mod refreshing;
mod refused;

use super::*;

fn rig(access: Access) -> Rig {
    let mut rig = Rig::with(Config { access, ..Config::new("/e") });
    rig.subscribe("a");
    rig.settle();
    rig
}

/// The only request since the last call: its receiver, URL and number.
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
    rig.answer(number, Answer { status: Some(200), ticket: Some(ticket.into()), ..Answer::default() });
}

/// An open stream whose credentials have this lifetime.
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
    assert_eq!(rig.core.state(), State::Connecting);
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
fn a_channel_that_is_subscribed_before_the_credentials_come_is_in_the_url() {
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
    rig.answer(number, Answer { detail: Some("offline".into()), ..Answer::default() });
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
fn a_revocation_after_the_confirmation_is_reported_to_its_handler() {
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
fn a_revocation_between_two_streams_is_reported_to_its_handler() {
    let mut rig = Rig::open("a");
    let handler = HandlerId(0);
    rig.reopen();
    let rejected = vec![Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }];
    rig.frame(Frame::Connected(Connected { id: Some(at(10)), resumed: true, rejected, ..Connected::default() }));
    assert_eq!(rig.settled(), [(handler, Some("forbidden".into()))]);
    assert_eq!(rig.failures().len(), 1);
}

#[test]
fn a_stream_that_was_replaced_does_not_come_back_by_itself() {
    let mut rig = Rig::open("a");
    rig.pass(6_000);
    rig.frame(Frame::Closing { reason: "replaced".into(), retry_ms: 0 });
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("replaced", false));
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Closed, None));
}
