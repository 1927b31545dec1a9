//! Subscribing and unsubscribing on a live stream.

use super::*;

#[test]
fn a_microtask_is_one_call() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.subscribe("c:*");
    rig.subscribe("b");
    rig.settle();
    assert_eq!(rig.sent_one().body.unwrap(), r#"{"connectionId":"n1","requestId":"1","channels":["b","c:*"]}"#);
}

#[test]
fn each_since_is_a_call_of_its_own() {
    let mut rig = Rig::open("a");
    rig.subscribe_since("b", 3);
    rig.subscribe_since("c", 4);
    rig.subscribe_since("d", 3);
    rig.settle();
    let bodies: Vec<String> = rig.sent().into_iter().map(|request| request.body.unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies[0].contains(r#"["b","d"]"#) && bodies[1].contains(r#"["c"]"#));
}

#[test]
fn the_answer_alone_activates_nothing() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 200);
    assert!(rig.settled().is_empty() && rig.record("b", 11).is_empty());
    rig.subscribed(call, "b", 11);
    assert_eq!(rig.settled(), [(id, None)]);
}

#[test]
fn the_stream_may_confirm_before_the_answer_comes() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.subscribed(call, "b", 11);
    rig.status(call, 200);
    assert_eq!(rig.settled(), [(id, None)]);
    assert_eq!(rig.record("b", 12), [id]);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_rejected_channel_is_refused_and_the_others_are_not() {
    let mut rig = Rig::open("a");
    let (b, c) = (rig.subscribe("b"), rig.subscribe("c"));
    rig.settle();
    let call = rig.sent_one().number;
    let rejected = vec![Rejected { channel: "b".parse().unwrap(), code: "tooManyChannels".into() }];
    rig.answer(call, &Answer { status: Some(200), rejected, ..Answer::default() });
    rig.subscribed(call, "c", 11);
    assert_eq!(rig.settled(), [(b, Some("tooManyChannels".into())), (c, None)]);
    assert_eq!(rig.failures()[0].code, "tooManyChannels");
}

/// A handler on `b` beside one on `a`, which the server refuses.
fn refused() -> (Rig, HandlerId) {
    let mut rig = Rig::open("a");
    let b = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    refuse(&mut rig, call);
    assert_eq!(rig.settled(), [(b, Some("forbidden".into()))]);
    assert_eq!(rig.failures().len(), 1);
    (rig, b)
}

/// The answer to a call that asked for `b`.
fn refuse(rig: &mut Rig, call: u32) {
    let rejected = vec![Rejected { channel: "b".parse().unwrap(), code: "forbidden".into() }];
    rig.answer(call, &Answer { status: Some(200), rejected, ..Answer::default() });
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
    // From here on it is one like any other.
    assert_eq!(channels_of(&rig.reopen()), "a b");
}

fn given(rig: &mut Rig, channels: &str, position: u64) {
    let (channels, position) = (patterns(channels), Some(at(position)));
    rig.frame(Frame::Subscribed { request_id: "server".into(), channels, addressed: false, cursor: position });
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
    rig.session.connect();
    rig.settle();
    assert!(rig.sent_one().body.unwrap().contains(r#"["b"]"#));
}

#[test]
fn a_call_that_failed_is_sent_again_under_its_number() {
    for status in [None, Some(500), Some(503), Some(429)] {
        let mut rig = Rig::open("a");
        let id = rig.subscribe_since("b", 3);
        rig.settle();
        let first = rig.sent_one();
        rig.answer(first.number, &Answer { status, ..Answer::default() });
        assert!(rig.failures()[0].will_retry);
        assert!(rig.sent().is_empty(), "not at once");
        rig.pass(1_000);
        assert_eq!(rig.sent_one(), first, "{status:?}");
        rig.subscribed(first.number, "b", 11);
        assert_eq!(rig.settled(), [(id, None)]);
    }
}

#[test]
fn a_call_that_was_confirmed_all_the_same_is_not_sent_again() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, &Answer::default());
    rig.subscribed(call, "b", 11);
    rig.pass(5_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_call_without_an_answer_is_given_up_and_sent_again() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let first = rig.sent_one();
    rig.pass(29_999);
    assert!(rig.sent().is_empty());
    rig.heartbeat(10);
    rig.pass(1_001);
    assert_eq!(rig.sent_one(), first);
}

#[test]
fn retry_after_is_kept_to() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, &Answer { status: Some(429), retry_after_ms: Some(9_000), ..Answer::default() });
    rig.pass(8_999);
    assert!(rig.sent().is_empty());
    rig.pass(1);
    rig.sent_one();
}

#[test]
fn an_unknown_connection_is_replaced() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 404);
    rig.pass(1_000);
    assert!(rig.opened().contains("channels=a,b&"), "no call is needed, which might not find this one either");
    rig.connected("a b", 10, true);
    assert!(rig.sent().is_empty());
    assert_eq!(rig.settled().len(), 1);
}

/// The server checks the cursor of the stream, and not one that somebody brings for a channel: only a call does.
#[test]
fn what_was_asked_for_from_the_past_is_asked_for_by_a_call_again() {
    let mut rig = Rig::open("a");
    rig.session.subscribe("b".parse().unwrap(), Some("1.7.7"));
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 404);
    rig.pass(1_000);
    assert!(rig.opened().contains("channels=a&"));
    rig.connected("a", 10, true);
    assert!(rig.sent_one().body.unwrap().contains(r#""since":"1.7.7""#));
}

#[test]
fn a_call_that_is_wrong_is_refused_as_a_whole() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, &Answer { status: Some(400), code: Some("malformed".into()), ..Answer::default() });
    assert_eq!(rig.settled(), [(id, Some("malformed".into()))]);
    rig.pass(20_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn the_answer_of_an_earlier_stream_changes_nothing() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let old = rig.sent_one().number;
    rig.reopen();
    rig.connected("a", 10, true);
    let new = rig.sent_one().number;
    rig.status(old, 404);
    assert_eq!(rig.session.state(), State::Open);
    rig.subscribed(old, "b", 11);
    assert!(rig.settled().is_empty());
    rig.subscribed(new, "b", 11);
    assert_eq!(rig.settled().len(), 1);
}

#[test]
fn a_channel_is_kept_until_its_last_handler_leaves() {
    let mut rig = Rig::open("a a");
    rig.session.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    assert!(rig.sent().is_empty());
    assert_eq!(rig.record("a", 11), [HandlerId(1)]);
    rig.session.unsubscribe(rig.now, HandlerId(1));
    rig.settle();
    assert_eq!(rig.sent_one().url, "/e/unsubscribe");
    assert_eq!(rig.record("a", 12), []);
}

#[test]
fn a_handler_replaced_in_one_microtask_costs_no_call() {
    let mut rig = Rig::open("a");
    rig.session.unsubscribe(rig.now, HandlerId(0));
    let new = rig.subscribe("a");
    rig.settle();
    assert!(rig.sent().is_empty());
    assert_eq!(rig.settled(), [(new, None)]);
    assert_eq!(rig.record("a", 11), [new]);
}

#[test]
fn calls_do_not_overtake_each_other() {
    let mut rig = Rig::open("a");
    rig.session.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    let unsubscribe = rig.sent_one();
    let again = rig.subscribe("a");
    rig.settle();
    assert!(rig.sent().is_empty(), "the unsubscribe is still on its way");
    rig.status(unsubscribe.number, 200);
    let subscribe = rig.sent_one();
    assert_eq!(subscribe.url, "/e/subscribe");
    rig.subscribed(subscribe.number, "a", 12);
    assert_eq!(rig.settled(), [(again, None)]);
}

#[test]
fn a_channel_wanted_again_after_a_doubtful_unsubscribe_takes_a_new_stream() {
    let mut rig = Rig::open("a b");
    rig.session.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, &Answer::default());
    rig.subscribe("a");
    rig.settle();
    rig.pass(2_000);
    assert_eq!(channels_of(&rig.opened()), "b");
    rig.connected("b", 10, true);
    assert!(rig.sent().pop().unwrap().body.unwrap().contains(r#"["a"]"#));
}

#[test]
fn a_late_confirmation_does_not_undo_an_unsubscribe_that_was_sent_after_its_call() {
    let mut rig = Rig::open("");
    let first = rig.subscribe("a");
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 200);
    rig.session.unsubscribe(rig.now, first);
    rig.settle();
    let leaving = rig.sent_one().number;
    rig.subscribed(call, "a", 11);
    rig.subscribe("a");
    rig.settle();
    rig.settled();
    rig.answer(leaving, &Answer::default());
    rig.pass(2_000);
    assert!(rig.opened_any(), "the unsubscribe may have arrived");
    assert!(rig.settled().is_empty());
}

#[test]
fn a_doubtful_unsubscribe_is_sent_again() {
    let mut rig = Rig::open("a");
    rig.session.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, &Answer::default());
    rig.pass(1_000);
    assert_eq!(rig.sent_one().url, "/e/unsubscribe");
}

#[test]
fn what_left_before_it_was_confirmed_is_taken_back() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.session.unsubscribe(rig.now, id);
    rig.settle();
    assert_eq!(rig.settled(), [(id, Some("stopped".into()))]);
    rig.status(call, 200);
    assert_eq!(rig.sent_one().body.unwrap(), r#"{"connectionId":"n1","requestId":"2","channels":["b"]}"#);
}

#[test]
fn a_revoked_channel_is_told_and_no_longer_heard() {
    let mut rig = Rig::open("a b");
    rig.frame(Frame::Revoked { channels: patterns("a"), addressed: false, code: "forbidden".into() });
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.channel.unwrap().as_str()), ("forbidden", "a"));
    assert_eq!(rig.record("a", 11), []);
    assert_eq!(channels_of(&rig.reopen()), "b");
}

#[test]
fn what_the_stream_loses_while_a_call_asks_for_it_is_asked_for_again() {
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
fn an_answer_that_comes_after_all_ends_the_wait_of_its_call() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.now += super::super::connection::CALL_MS;
    rig.session.wake(rig.now);
    rig.settle();
    rig.status(call, 200);
    rig.subscribe("c");
    rig.settle();
    assert!(rig.sent_one().body.unwrap().contains(r#"["c"]"#));
}

#[test]
fn what_is_heard_beside_another_begins_where_the_stream_confirmed_that() {
    let mut rig = Rig::open("a");
    let first = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.subscribed(call, "b", 20);
    rig.status(call, 200);
    let second = rig.subscribe("b");
    rig.settle();
    assert_eq!(rig.settled(), [(first, None), (second, None)]);
    assert!(rig.record("b", 15).is_empty(), "that came before");
    assert_eq!(rig.record("b", 21), [first, second]);
}

#[test]
fn the_place_at_which_the_server_gave_something_is_checked_by_the_next_stream() {
    let mut rig = Rig::open("a");
    given(&mut rig, "c", 15);
    assert_eq!(parameter(&rig.reopen(), "seen"), Some(at(15).to_string()));
}

#[test]
fn a_confirmation_that_an_unsubscribe_has_overtaken_confirms_nothing() {
    let mut rig = Rig::open("a");
    let first = rig.subscribe("b");
    rig.settle();
    let subscribe = rig.sent_one().number;
    rig.session.unsubscribe(rig.now, first);
    rig.settle();
    rig.status(subscribe, 200);
    let unsubscribe = rig.sent_one();
    assert_eq!(unsubscribe.url, "/e/unsubscribe");
    rig.status(unsubscribe.number, 200);
    rig.settled();

    // It was on its way all the time.
    rig.subscribed(subscribe, "b", 11);
    let second = rig.subscribe("b");
    rig.settle();
    let again = rig.sent_one().number;
    assert!(rig.settled().is_empty(), "the server does not hold it any more");
    // The same, should it come only now.
    rig.subscribed(subscribe, "b", 11);
    rig.status(again, 200);
    assert!(rig.settled().is_empty() && rig.sent().is_empty());
    rig.subscribed(again, "b", 12);
    assert_eq!(rig.settled(), [(second, None)]);
}

#[test]
fn what_a_call_did_not_confirm_is_refused_where_it_was_given_a_part_of_the_past() {
    let mut rig = Rig::open("");
    let (given, refused) = (rig.subscribe_since("a:x", 3), rig.subscribe_since("a:*", 3));
    rig.settle();
    let call = rig.sent_one().number;
    // It reaches both, and what else the second one was to hear does not come.
    assert_eq!(rig.backfill(call, "a:x", 5), [given, refused]);
    rig.subscribed(call, "a:x", 10);
    assert_eq!(rig.settled(), [(given, None), (refused, Some("forbidden".to_owned()))]);
}
