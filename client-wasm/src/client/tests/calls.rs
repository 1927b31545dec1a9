//! Subscribing and unsubscribing on a live stream.

mod leaving;
mod refused;

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
fn a_web_page_in_place_of_the_answer_confirms_nothing_and_the_call_is_made_again() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, web_page());
    assert_eq!(rig.failures().iter().map(|one| (&*one.code, one.will_retry)).collect::<Vec<_>>(), [("notFound", true)]);
    rig.pass(1_000);
    let call = rig.sent_one().number;
    rig.status(call, 200);
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
    rig.answer(call, Answer { status: Some(200), rejected, ..Answer::default() });
}

fn given(rig: &mut Rig, channels: &str, position: u64) {
    let (channels, position) = (patterns(channels), Some(at(position)));
    rig.frame(Frame::Subscribed { request_id: "server".into(), channels, addressed: false, cursor: position });
}

#[test]
fn a_call_that_failed_is_sent_again_under_its_number() {
    for status in [None, Some(500), Some(503), Some(429)] {
        let mut rig = Rig::open("a");
        let id = rig.subscribe_since("b", 3);
        rig.settle();
        let first = rig.sent_one();
        rig.answer(first.number, Answer { status, ..Answer::default() });
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
    rig.answer(call, Answer::default());
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
    rig.answer(call, Answer { status: Some(429), retry_after_ms: Some(9_000), ..Answer::default() });
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

/// The server checks the cursor of the stream only, so a cursor for one channel needs a call.
#[test]
fn a_backfill_that_was_asked_for_is_asked_for_by_a_call_again() {
    let mut rig = Rig::open("a");
    rig.core.subscribe("b".parse().unwrap(), Some("1.7.7"));
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 404);
    rig.pass(1_000);
    assert!(rig.opened().contains("channels=a&"));
    rig.connected("a", 10, true);
    assert!(rig.sent_one().body.unwrap().contains(r#""since":"1.7.7""#));
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
    assert_eq!(rig.core.state(), State::Open);
    rig.subscribed(old, "b", 11);
    assert!(rig.settled().is_empty());
    rig.subscribed(new, "b", 11);
    assert_eq!(rig.settled().len(), 1);
}

#[test]
fn calls_do_not_overtake_each_other() {
    let mut rig = Rig::open("a");
    rig.core.unsubscribe(rig.now, HandlerId(0));
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
fn an_answer_that_comes_after_all_ends_the_wait_of_its_call() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.now += super::super::connection::CALL_MS;
    rig.core.wake(rig.now);
    rig.settle();
    rig.status(call, 200);
    rig.subscribe("c");
    rig.settle();
    assert!(rig.sent_one().body.unwrap().contains(r#"["c"]"#));
}

#[test]
fn a_second_handler_of_a_channel_begins_where_the_stream_confirmed_the_channel() {
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
