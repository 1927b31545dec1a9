//! The first connection, and the subscriptions around it.

use super::*;

#[test]
fn nothing_happens_before_the_first_handler() {
    let mut rig = Rig::new();
    rig.settle();
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Idle, None));
    assert!(rig.done.is_empty());
}

#[test]
fn the_first_handlers_of_a_microtask_share_one_url() {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.subscribe("b:*");
    rig.subscribe("a");
    rig.core.on("c".parse().unwrap());
    rig.settle();
    assert_eq!(rig.opened(), "/e?channels=a,b:*&deviceId=d1&sessionId=s1");
    assert_eq!(rig.core.state(), State::Connecting);
}

#[test]
fn a_handler_that_leaves_in_its_own_microtask_connects_nothing() {
    let mut rig = Rig::new();
    let id = rig.subscribe("a");
    rig.core.unsubscribe(rig.now, id);
    rig.settle();
    assert!(!rig.opened_any());
    assert_eq!(rig.core.state(), State::Idle);
}

#[test]
fn connected_activates_what_it_lists_and_refuses_what_it_rejects() {
    let mut rig = Rig::new();
    let (good, bad) = (rig.subscribe("a"), rig.subscribe("b"));
    rig.settle();
    rig.frame(Frame::Connected(Connected {
        id: Some(at(10)),
        connection_id: "n1".into(),
        channels: patterns("a"),
        rejected: vec![Rejected { channel: "b".parse().unwrap(), code: "forbidden".into() }],
        ..Connected::default()
    }));
    assert_eq!(rig.settled(), [(good, None), (bad, Some("forbidden".into()))]);
    let failures = rig.failures();
    assert_eq!(failures.len(), 1);
    assert_eq!((&*failures[0].code, failures[0].channel.as_ref().unwrap().as_str()), ("forbidden", "b"));
    assert!(!failures[0].will_retry);
    assert_eq!(rig.record("a", 11), [good]);
    assert_eq!(rig.record("b", 12), []);
}

#[test]
fn a_channel_that_is_subscribed_while_connecting_is_posted_on_open() {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    let late = rig.subscribe("b");
    rig.settle();
    assert!(rig.sent().is_empty());
    rig.connected("a", 10, false);
    let request = rig.sent_one();
    assert_eq!(request.url, "/e/subscribe");
    assert_eq!(request.body.unwrap(), r#"{"connectionId":"n1","requestId":"1","channels":["b"]}"#);
    assert_eq!(rig.record("b", 11), [], "not confirmed");
    rig.subscribed(1, "b", 11);
    assert_eq!(rig.record("b", 12), [late]);
}

#[test]
fn a_channel_that_is_unsubscribed_while_connecting_is_taken_back_on_open() {
    let mut rig = Rig::new();
    let gone = rig.subscribe("a");
    rig.subscribe("b");
    rig.settle();
    rig.core.unsubscribe(rig.now, gone);
    rig.settle();
    rig.connected("a b", 10, false);
    let request = rig.sent_one();
    assert_eq!(request.url, "/e/unsubscribe");
    assert_eq!(request.body.unwrap(), r#"{"connectionId":"n1","requestId":"1","channels":["a"]}"#);
}

#[test]
fn channels_that_do_not_fit_the_url_follow_by_post() {
    let mut rig = Rig::new();
    let names: Vec<String> = (10..30).map(|n| format!("{}:{n}", "x".repeat(190))).collect();
    let ids: Vec<HandlerId> = names.iter().map(|name| rig.subscribe(name)).collect();
    rig.settle();
    let first = channels_of(&rig.opened());
    assert!(first.len() <= 2_000);
    let fitting = first.split(' ').count();
    assert_eq!(fitting, 10);
    rig.connected(&first, 10, false);
    let body = rig.sent_one().body.unwrap();
    assert!(names[fitting..].iter().all(|name| body.contains(name)) && !body.contains("since"));
    rig.subscribed(1, &names[fitting..].join(" "), 12);
    let settled: Vec<HandlerId> = rig.settled().into_iter().map(|(id, _)| id).collect();
    assert_eq!(settled, ids);
}

#[test]
fn a_page_that_brings_a_cursor_begins_there() {
    let mut rig = Rig::with(Config { since: Some(at(5).to_string()), ..Config::new("/e") });
    let early = rig.subscribe("a");
    rig.settle();
    let url = rig.opened();
    assert_eq!((channels_of(&url).as_str(), parameter(&url, "lastEventId")), ("a", Some(at(5).to_string())));
    rig.connected("a", 5, true);
    assert_eq!(rig.record("a", 6), [early]);

    rig.subscribe("b");
    rig.settle();
    assert!(!rig.sent_one().body.unwrap().contains("since"), "only what was there from the start");
}

#[test]
fn a_cursor_of_the_page_that_is_none_is_told_as_a_gap() {
    let mut rig = Rig::with(Config { since: Some("yesterday".into()), ..Config::new("/e") });
    let id = rig.subscribe("a");
    rig.settle();
    assert_eq!(parameter(&rig.opened(), "lastEventId"), None);
    assert!(rig.gaps().is_empty(), "not before what follows it is heard");
    rig.connected("a", 10, false);
    assert_eq!(rig.gaps(), [(None, vec![id])]);
}

#[test]
fn connect_needs_no_handler_and_takes_those_of_its_microtask() {
    let mut rig = Rig::new();
    rig.core.connect();
    assert_eq!(rig.core.state(), State::Connecting);
    rig.subscribe("a");
    rig.settle();
    assert_eq!(channels_of(&rig.opened()), "a");
}

#[test]
fn connect_leaves_an_open_stream_alone() {
    let mut rig = Rig::open("a");
    rig.core.connect();
    rig.settle();
    assert!(rig.done.is_empty(), "{:?}", rig.done);
}

#[test]
fn states_are_told_in_order_with_the_connection() {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    rig.connected("a", 10, false);
    let told: Vec<_> = rig.statuses().into_iter().map(|status| (status.state, status.connection_id)).collect();
    assert_eq!(told, [(State::Connecting, None), (State::Open, Some("n1".into()))]);
}

#[test]
fn each_stream_has_a_url_of_its_own() {
    let mut rig = Rig::open("a");
    rig.reopen();
    rig.connected("a", 10, true);
    rig.reopen();
    assert!(rig.nonces.len() == 2 && rig.nonces[0] != rig.nonces[1], "{:?}", rig.nonces);
}
