//! Addressed events, exclusion, and the removal of handlers.

use super::*;

#[test]
fn addressed_events_need_no_channel_and_are_ready_with_the_stream() {
    let mut rig = Rig::new();
    let id = rig.core.on("timer:*".parse().unwrap());
    rig.settle();
    assert_eq!(channels_of(&rig.opened()), "");
    rig.connected("", 10, false);
    assert_eq!(rig.settled(), [(id, None)]);
    let route = rig.core.routes().find("timer:u1", Hears::Addressed);
    let mut heard = Vec::new();
    rig.core.record(rig.now, route, Some(at(11)), None, &mut heard);
    assert_eq!(heard, [id]);
    assert_eq!(rig.record("timer:u1", 12), [], "published to the channel, not to the user");
}

#[test]
fn a_handler_of_addressed_events_added_on_a_live_stream_is_ready_at_once() {
    let mut rig = Rig::open("a");
    let id = rig.core.on("timer".parse().unwrap());
    rig.settle();
    assert_eq!(rig.settled(), [(id, None)]);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_record_is_hidden_from_the_tab_or_device_that_it_excludes() {
    let own = Exclusion { user_id: "ana", session_id: Some("s1"), device_id: None };
    for (except, hidden) in [
        (own, true),
        (Exclusion { session_id: None, device_id: Some("d1"), ..own }, true),
        (Exclusion { session_id: Some("s2"), ..own }, false),
        (Exclusion { user_id: "bob", ..own }, false),
        (Exclusion { session_id: None, ..own }, false),
    ] {
        let mut rig = Rig::open("a");
        let route = rig.core.routes().find("a", Hears::Channels);
        let mut heard = Vec::new();
        rig.core.record(rig.now, route, Some(at(11)), Some(&except), &mut heard);
        assert_eq!(heard.is_empty(), hidden, "{except:?}");
        assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(11).to_string()));
    }
}

#[test]
fn a_record_of_the_past_is_hidden_likewise() {
    let mut rig = Rig::open("a");
    rig.subscribe_since("b", 3);
    rig.settle();
    let call = rig.sent_one().number.to_string();
    let route = rig.core.routes().find("b", Hears::Channels);
    let except = Exclusion { user_id: "ana", session_id: Some("s1"), device_id: None };
    let mut heard = Vec::new();
    rig.core.backfill(rig.now, &call, route, Some(at(5)), Some(&except), &mut heard);
    assert!(heard.is_empty());
}

#[test]
fn a_connection_without_handlers_ends_after_its_time() {
    let mut rig = Rig::with(Config { idle_ms: Some(5_000), ..Config::new("/e") });
    let id = rig.subscribe("a");
    rig.settle();
    rig.opened();
    rig.connected("a", 10, false);
    rig.core.unsubscribe(rig.now, id);
    rig.settle();
    rig.pass(4_999);
    assert_eq!(rig.core.state(), State::Open);
    rig.pass(1);
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Idle, None));
    // There was no handler, so no event was missed.
    rig.subscribe("b");
    rig.settle();
    let url = rig.opened();
    assert_eq!((channels_of(&url).as_str(), parameter(&url, "lastEventId")), ("b", None));
}

#[test]
fn a_handler_in_time_keeps_the_connection() {
    let mut rig = Rig::with(Config { idle_ms: Some(5_000), ..Config::new("/e") });
    let id = rig.subscribe("a");
    rig.settle();
    rig.connected("a", 10, false);
    rig.core.unsubscribe(rig.now, id);
    rig.pass(4_999);
    rig.subscribe("a");
    rig.settle();
    rig.pass(20_000);
    assert_eq!(rig.core.state(), State::Open);
}

#[test]
fn reset_forgets_who_it_was() {
    let mut rig = Rig::open("a");
    let pending = rig.subscribe("b");
    rig.core.reset("s2".into());
    rig.settle();
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Idle, None));
    assert_eq!(rig.settled(), [(pending, Some("stopped".into()))]);
    rig.subscribe("c");
    rig.settle();
    assert_eq!(rig.opened(), "/e?channels=c&deviceId=d1&sessionId=s2");
}

#[test]
fn frames_of_a_stream_that_is_gone_change_nothing() {
    let mut rig = Rig::open("a");
    rig.core.disconnect();
    rig.settle();
    rig.done.clear();
    assert_eq!(rig.record("a", 11), []);
    rig.connected("a", 99, false);
    rig.gap(None, Some(99));
    rig.fail();
    assert!(rig.done.is_empty(), "{:?}", rig.done);
    assert_eq!(rig.core.state(), State::Closed);
}
