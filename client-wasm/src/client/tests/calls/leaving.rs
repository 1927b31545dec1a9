//! Channels that are unsubscribed and requested again.

use super::*;

#[test]
fn a_channel_is_kept_until_its_last_handler_leaves() {
    let mut rig = Rig::open("a a");
    rig.core.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    assert!(rig.sent().is_empty());
    assert_eq!(rig.record("a", 11), [HandlerId(1)]);
    rig.core.unsubscribe(rig.now, HandlerId(1));
    rig.settle();
    assert_eq!(rig.sent_one().url, "/e/unsubscribe");
    assert_eq!(rig.record("a", 12), []);
}

#[test]
fn a_handler_replaced_in_one_microtask_costs_no_call() {
    let mut rig = Rig::open("a");
    rig.core.unsubscribe(rig.now, HandlerId(0));
    let new = rig.subscribe("a");
    rig.settle();
    assert!(rig.sent().is_empty());
    assert_eq!(rig.settled(), [(new, None)]);
    assert_eq!(rig.record("a", 11), [new]);
}

#[test]
fn a_channel_wanted_again_after_a_doubtful_unsubscribe_takes_a_new_stream() {
    let mut rig = Rig::open("a b");
    rig.core.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, Answer::default());
    rig.subscribe("a");
    rig.settle();
    rig.pass(2_000);
    assert_eq!(channels_of(&rig.opened()), "b");
    rig.connected("b", 10, true);
    assert!(rig.sent().pop().unwrap().body.unwrap().contains(r#"["a"]"#));
}

#[test]
fn an_unsubscribe_without_an_answer_stays_in_doubt_after_it_was_made_again_and_answered() {
    let mut rig = Rig::open("a b");
    rig.core.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    let first = rig.sent_one().number;
    rig.answer(first, Answer::default());
    rig.pass(2_000);
    let second = rig.sent_one().number;
    rig.status(second, 200);
    rig.subscribe("a");
    rig.settle();
    rig.pass(2_000);
    assert_eq!(channels_of(&rig.opened()), "b", "the first one may arrive now, and would end what is asked for");
}

#[test]
fn a_late_confirmation_does_not_undo_an_unsubscribe_that_was_sent_after_its_call() {
    let mut rig = Rig::open("");
    let first = rig.subscribe("a");
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 200);
    rig.core.unsubscribe(rig.now, first);
    rig.settle();
    let leaving = rig.sent_one().number;
    rig.subscribed(call, "a", 11);
    rig.subscribe("a");
    rig.settle();
    rig.settled();
    rig.answer(leaving, Answer::default());
    rig.pass(2_000);
    assert!(rig.opened_any(), "the unsubscribe may have arrived");
    assert!(rig.settled().is_empty());
}

#[test]
fn a_doubtful_unsubscribe_is_sent_again() {
    let mut rig = Rig::open("a");
    rig.core.unsubscribe(rig.now, HandlerId(0));
    rig.settle();
    let call = rig.sent_one().number;
    rig.answer(call, Answer::default());
    rig.pass(1_000);
    assert_eq!(rig.sent_one().url, "/e/unsubscribe");
}

#[test]
fn a_channel_that_is_left_before_its_confirmation_is_unsubscribed() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe("b");
    rig.settle();
    let call = rig.sent_one().number;
    rig.core.unsubscribe(rig.now, id);
    rig.settle();
    assert_eq!(rig.settled(), [(id, Some("stopped".into()))]);
    rig.status(call, 200);
    assert_eq!(rig.sent_one().body.unwrap(), r#"{"connectionId":"n1","requestId":"2","channels":["b"]}"#);
}

#[test]
fn a_confirmation_that_an_unsubscribe_has_overtaken_confirms_nothing() {
    let mut rig = Rig::open("a");
    let first = rig.subscribe("b");
    rig.settle();
    let subscribe = rig.sent_one().number;
    rig.core.unsubscribe(rig.now, first);
    rig.settle();
    rig.status(subscribe, 200);
    let unsubscribe = rig.sent_one();
    assert_eq!(unsubscribe.url, "/e/unsubscribe");
    rig.status(unsubscribe.number, 200);
    rig.settled();

    // The confirmation was on its way all the time, or the call was. The client makes sure.
    rig.subscribed(subscribe, "b", 11);
    let unsubscribe = rig.sent_one();
    assert_eq!(unsubscribe.url, "/e/unsubscribe");
    let second = rig.subscribe("b");
    rig.settle();
    rig.status(unsubscribe.number, 200);
    let again = rig.sent_one().number;
    assert!(rig.settled().is_empty(), "the server does not hold it any more");
    // The same, if the confirmation arrives only now.
    rig.subscribed(subscribe, "b", 11);
    rig.status(again, 200);
    assert!(rig.settled().is_empty() && rig.sent().is_empty());
    rig.subscribed(again, "b", 12);
    assert_eq!(rig.settled(), [(second, None)]);
}

#[test]
fn a_channel_that_is_confirmed_after_it_was_unsubscribed_is_unsubscribed_once_more() {
    for is_answered in [true, false] {
        let mut rig = Rig::open("");
        let only = rig.subscribe("a");
        rig.settle();
        let call = rig.sent_one().number;
        rig.status(call, 200);
        rig.core.unsubscribe(rig.now, only);
        rig.settle();
        let leaving = rig.sent_one().number;
        // The call was forwarded so late that the unsubscribe overtook it.
        if is_answered {
            rig.status(leaving, 200);
            rig.subscribed(call, "a", 11);
        } else {
            rig.subscribed(call, "a", 11);
            rig.status(leaving, 200);
        }
        let again = rig.sent_one();
        assert_eq!(again.url, "/e/unsubscribe");
        rig.status(again.number, 200);
        rig.pass(2_000);
        assert!(rig.sent().is_empty());
    }
}
