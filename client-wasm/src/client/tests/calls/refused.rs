//! Channels that the server refuses, revokes or grants again.

use super::*;

#[test]
fn a_rejected_channel_is_refused_and_the_others_are_not() {
    let mut rig = Rig::open("a");
    let (b, c) = (rig.subscribe("b"), rig.subscribe("c"));
    rig.settle();
    let call = rig.sent_one().number;
    let rejected = vec![Rejected { channel: "b".parse().unwrap(), code: "tooManyChannels".into() }];
    rig.answer(call, Answer { status: Some(200), rejected, ..Answer::default() });
    rig.subscribed(call, "c", 11);
    assert_eq!(rig.settled(), [(b, Some("tooManyChannels".into())), (c, None)]);
    assert_eq!(rig.failures()[0].code, "tooManyChannels");
}

#[test]
fn a_refused_channel_is_asked_for_once_on_each_stream_and_told_once_in_all() {
    let (mut rig, _) = refused();
    rig.pass(30_000);
    assert!(rig.sent().is_empty());
    for _ in 0..3 {
        assert_eq!(channels_of(&rig.reopen()), "a", "what is new would hear the past on a resumed stream");
        rig.connected("a", 10, true);
        let call = rig.sent_one();
        assert!(call.body.unwrap().ends_with(r#""channels":["b"]}"#));
        refuse(&mut rig, call.number);
        assert!(rig.sent().is_empty());
    }
    assert!(rig.settled().is_empty() && rig.failures().is_empty() && rig.gaps().is_empty());
}

#[test]
fn a_refused_channel_that_is_granted_by_the_next_stream_is_told_with_a_gap() {
    let (mut rig, b) = refused();
    rig.reopen();
    rig.connected("a", 10, true);
    let call = rig.sent_one().number;
    rig.subscribed(call, "b", 12);
    assert_eq!(rig.settled(), [(b, None)]);
    assert_eq!(rig.gaps(), [(Some(patterns("b")), vec![b])]);
    assert_eq!(rig.record("b", 13), [b]);
    // From here on the channel is like any other.
    assert_eq!(channels_of(&rig.reopen()), "a b");
}

#[test]
fn a_refused_channel_that_the_server_gives_is_asked_for_again_and_told_with_a_gap() {
    let (mut rig, b) = refused();
    given(&mut rig, "c other:*", 11);
    assert!(rig.sent().is_empty(), "that is nobody's");
    given(&mut rig, "b", 12);
    let call = rig.sent_one();
    assert_eq!(call.body.unwrap(), r#"{"connectionId":"n1","requestId":"2","channels":["b"]}"#);
    assert!(rig.record("b", 13).is_empty(), "it is not confirmed");
    rig.status(call.number, 200);
    rig.subscribed(call.number, "b", 13);
    assert_eq!(rig.settled(), [(b, None)]);
    assert_eq!(rig.gaps(), [(Some(patterns("b")), vec![b])]);
    assert_eq!(rig.record("b", 14), [b]);
    rig.frame(Frame::Revoked { channels: patterns("b"), addressed: false, code: "forbidden".into() });
    assert_eq!(rig.settled(), [(b, Some("forbidden".into()))]);
}

#[test]
fn a_refusal_that_comes_after_what_the_server_gave_is_asked_once_more() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    given(&mut rig, "b", 11);
    assert!(rig.sent().is_empty(), "one call after the other");
    refuse(&mut rig, call);
    let again = rig.sent_one().number;
    refuse(&mut rig, again);
    assert!(rig.sent().is_empty(), "it was given no more");
}

#[test]
fn a_refused_channel_is_asked_for_again_by_connect() {
    let (mut rig, _) = refused();
    rig.core.connect();
    rig.settle();
    assert!(rig.sent_one().body.unwrap().contains(r#"["b"]"#));
}

#[test]
fn a_call_that_is_wrong_is_refused_as_a_whole() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, Answer { status: Some(400), code: Some("malformed".into()), ..Answer::default() });
    assert_eq!(rig.settled(), [(id, Some("malformed".into()))]);
    rig.pass(20_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_revoked_channel_is_reported_and_no_longer_received() {
    let mut rig = Rig::open("a b");
    rig.frame(Frame::Revoked { channels: patterns("a"), addressed: false, code: "forbidden".into() });
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.channel.unwrap().as_str()), ("forbidden", "a"));
    assert_eq!(rig.record("a", 11), []);
    assert_eq!(channels_of(&rig.reopen()), "b");
}

#[test]
fn a_channel_that_is_revoked_during_its_call_is_asked_for_again() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe_since("b", 3);
    rig.settle();
    let call = rig.sent_one().number;
    rig.frame(Frame::Revoked { channels: patterns("b"), addressed: false, code: "forbidden".into() });
    assert!(rig.sent().is_empty() && rig.settled().is_empty(), "the call may be judged later than that");
    rig.status(call, 200);
    let again = rig.sent_one();
    assert!(again.body.unwrap().contains(&format!(r#""since":"{}""#, at(3))));
    rig.subscribed(call, "b", 11);
    assert!(rig.backfill(again.number, "b", 12) == [id] && rig.record("b", 13).is_empty());
    rig.frame(Frame::Revoked { channels: patterns("b"), addressed: false, code: "forbidden".into() });
    refuse(&mut rig, again.number);
    assert_eq!(rig.settled(), [(id, Some("forbidden".into()))]);
    assert!(rig.sent().is_empty());
}

#[test]
fn the_place_at_which_the_server_gave_something_is_checked_by_the_next_stream() {
    let mut rig = Rig::open("a");
    given(&mut rig, "c", 15);
    assert_eq!(parameter(&rig.reopen(), "seen"), Some(at(15).to_string()));
}

#[test]
fn a_channel_without_confirmation_is_refused_although_its_backfill_began() {
    let mut rig = Rig::open("");
    let (given, refused) = (rig.subscribe_since("a:x", 3), rig.subscribe_since("a:*", 3));
    rig.settle();
    let call = rig.sent_one().number;
    // The event reaches both handlers, and the rest of the past that the second one asked for does not come.
    assert_eq!(rig.backfill(call, "a:x", 5), [given, refused]);
    rig.subscribed(call, "a:x", 10);
    assert_eq!(rig.settled(), [(given, None), (refused, Some("forbidden".to_owned()))]);
}

/// The server receives a call twice, and decides differently.
#[test]
fn a_channel_that_is_confirmed_and_refused_for_one_call_is_refused_and_unsubscribed() {
    for is_confirmed_first in [true, false] {
        let mut rig = Rig::open("");
        let handler = rig.subscribe("b");
        rig.settle();
        let call = rig.sent_one().number;
        if is_confirmed_first {
            rig.subscribed(call, "b", 11);
            assert_eq!(rig.settled(), [(handler, None)]);
        }
        refuse(&mut rig, call);
        assert_eq!(rig.settled(), [(handler, Some("forbidden".into()))]);
        if !is_confirmed_first {
            rig.subscribed(call, "b", 11);
        }
        let leaving = rig.sent_one();
        assert_eq!(leaving.url, "/e/unsubscribe");
        rig.status(leaving.number, 200);
        rig.pass(30_000);
        assert!(rig.settled().is_empty() && rig.sent().is_empty());
    }
}

#[test]
fn a_refusal_from_before_the_server_gave_the_channel_is_not_the_last_word_when_its_call_is_made_again() {
    let mut rig = Rig::open("a");
    let b = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    given(&mut rig, "b", 11);
    rig.answer(call, Answer::default());
    rig.pass(2_000);
    assert_eq!(rig.sent_one().number, call, "it is made again");
    refuse(&mut rig, call);
    assert_eq!(rig.settled(), [(b, Some("forbidden".into()))]);
    let again = rig.sent_one();
    assert!(again.number > call);
    rig.status(again.number, 200);
    rig.subscribed(again.number, "b", 12);
    assert_eq!(rig.settled(), [(b, None)]);
}

#[test]
fn a_refused_channel_that_the_server_gives_is_requested_although_another_call_was_not_answered() {
    let mut rig = Rig::open("a");
    let (c, b) = (rig.subscribe_since("c", 5), rig.subscribe("b"));
    rig.settle();
    let calls: Vec<_> = rig.sent().iter().map(|request| request.number).collect();
    rig.subscribed(calls[0], "c", 10);
    given(&mut rig, "b", 11);
    refuse(&mut rig, calls[1]);
    assert_eq!(rig.settled(), [(c, None), (b, Some("forbidden".into()))]);
    rig.answer(calls[0], Answer::default());
    rig.pass(2_000);
    assert!(rig.sent_one().body.unwrap().ends_with(r#""channels":["b"]}"#));
}
