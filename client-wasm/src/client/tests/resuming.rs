//! The rules for resume.

use super::*;

#[test]
fn a_reconnect_brings_the_last_id_that_was_one() {
    let mut rig = Rig::open("a");
    rig.record("a", 11);
    let route = rig.core.routes().find("a", Hears::Channels);
    rig.core.record(rig.now, route, None, None, &mut Vec::new());
    rig.frame(Frame::Heartbeat { id: None });
    assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(11).to_string()));
}

#[test]
fn heartbeats_move_a_quiet_client_forward() {
    let mut rig = Rig::open("a");
    rig.heartbeat(99);
    assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(99).to_string()));
}

#[test]
fn the_cursors_of_a_backfill_are_sent_as_seen() {
    let mut rig = Rig::open("a");
    rig.subscribe_since("b", 3);
    rig.settle();
    let call = rig_number(&mut rig);
    rig.backfill(call, "b", 17);
    let url = rig.reopen();
    assert_eq!(parameter(&url, "lastEventId"), Some(at(10).to_string()));
    assert_eq!(parameter(&url, "seen"), Some(at(17).to_string()));
}

#[test]
fn where_a_subscription_became_live_is_reported_as_seen() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let number = rig_number(&mut rig);
    rig.subscribed(number, "b", 14);
    assert_eq!(parameter(&rig.reopen(), "seen"), Some(at(14).to_string()));
}

/// The number of the only call under way.
fn rig_number(rig: &mut Rig) -> u32 {
    rig.sent_one().number
}

#[test]
fn only_confirmed_channels_resume_in_the_url() {
    let mut rig = Rig::open("a");
    rig.subscribe("b");
    rig.settle();
    let first = rig.sent_one();
    assert_eq!(channels_of(&rig.reopen()), "a");
    rig.connected("a", 10, true);
    let second = rig.sent_one();
    assert!(second.body.unwrap().contains(r#""channels":["b"]"#));
    assert_ne!(first.number, second.number);
}

#[test]
fn a_pending_subscription_asks_again_from_its_own_since() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe_since("b", 3);
    rig.settle();
    let first = rig_number(&mut rig);
    rig.status(first, 200);
    assert_eq!(rig.backfill(first, "b", 4), [id]);
    rig.record("a", 20);
    rig.reopen();
    rig.connected("a", 20, true);
    let again = rig.sent_one();
    assert!(again.body.unwrap().contains(&format!(r#""since":"{}""#, at(3))));
    assert_eq!(rig.backfill(again.number, "b", 4), [], "heard before the cut");
    assert_eq!(rig.backfill(again.number, "b", 5), [id]);
    rig.subscribed(again.number, "b", 20);
    assert_eq!(rig.settled(), [(id, None)]);
    assert_eq!(rig.record("b", 21), [id]);
}

#[test]
fn a_live_record_does_not_reach_a_pending_subscription() {
    let mut rig = Rig::open("a");
    let old = rig.core.subscribe("a".parse().unwrap(), None);
    rig.settle();
    let new = rig.subscribe_since("a", 3);
    rig.settle();
    let call = rig_number(&mut rig);
    assert!(!rig.record("a", 11).contains(&new));
    assert_eq!(rig.backfill(call, "a", 4), [new], "and the past not those who did not ask");
    assert_eq!(rig.backfill(call, "a", 11), [new]);
    rig.subscribed(call, "a", 11);
    let heard = rig.record("a", 12);
    assert!(heard.contains(&old) && heard.contains(&new));
}

#[test]
fn a_replay_does_not_repeat_what_a_backfill_showed() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe_since("b", 3);
    rig.settle();
    let call = rig_number(&mut rig);
    assert_eq!(rig.backfill(call, "b", 15), [id]);
    rig.subscribed(call, "b", 16);
    // The stream's cursor is still 10.
    let url = rig.reopen();
    assert_eq!((channels_of(&url).as_str(), parameter(&url, "lastEventId")), ("a b", Some(at(10).to_string())));
    rig.connected("a b", 10, true);
    assert_eq!(rig.record("b", 15), []);
    assert_eq!(rig.record("b", 17), [id]);
}

#[test]
fn each_subscription_drops_by_its_own_mark() {
    let mut rig = Rig::open("a");
    let new = rig.subscribe_since("a", 3);
    rig.settle();
    let call = rig_number(&mut rig);
    rig.subscribed(call, "a", 15);
    rig.reopen();
    rig.connected("a", 10, true);
    let heard = rig.record("a", 12);
    assert!(heard.len() == 1 && heard[0] != new, "12 is new to the first and old to the second");
}

#[test]
fn confirmed_channels_that_find_no_room_ask_from_the_cursor() {
    let names: Vec<String> = (10..25).map(|n| format!("{}:{n}", "x".repeat(190))).collect();
    let mut rig = Rig::open(&names.join(" "));
    rig.heartbeat(12);
    let resumed = channels_of(&rig.reopen());
    rig.connected(&resumed, 12, true);
    let call = rig.sent_one();
    let body = call.body.unwrap();
    assert!(body.contains(&format!(r#""since":"{}""#, at(12))));
    assert_eq!(body.matches("xxx:").count(), 5);

    rig.heartbeat(30);
    let resumed = channels_of(&rig.reopen());
    assert_eq!(resumed.split(' ').count(), 10);
    rig.connected(&resumed, 30, true);
    assert!(rig.sent_one().body.unwrap().contains(&format!(r#""since":"{}""#, at(12))), "nothing of it was confirmed");
}

#[test]
fn a_second_handler_of_a_resumed_channel_resumes_with_it() {
    let mut rig = Rig::open("a");
    rig.fail();
    let second = rig.subscribe("a");
    rig.pass(1_000);
    rig.connected("a", 10, true);
    assert_eq!(rig.settled(), [(second, None)]);
    assert!(rig.record("a", 11).contains(&second));
    assert!(rig.sent().is_empty());
}

#[test]
fn a_position_of_a_stream_that_did_not_resume_waits_for_its_gap() {
    let mut rig = Rig::open("a");
    rig.reopen();
    rig.connected("a", 50, false);
    // The cut comes before the gap does.
    assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(10).to_string()));
    rig.connected("a", 50, false);
    rig.gap(None, Some(50));
    assert_eq!(rig.gaps().len(), 1);
    assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(50).to_string()));
}

#[test]
fn a_confirmed_channel_that_is_rejected_on_resume_is_told() {
    let mut rig = Rig::open("a");
    rig.reopen();
    rig.frame(Frame::Connected(Connected {
        id: Some(at(10)),
        resumed: true,
        rejected: vec![Rejected { channel: "a".parse().unwrap(), code: "forbidden".into() }],
        ..Connected::default()
    }));
    assert_eq!(rig.failures()[0].code, "forbidden");
    assert_eq!(rig.record("a", 11), []);
}

#[test]
fn a_since_that_is_no_cursor_is_told_as_a_gap_once_it_is_live() {
    let mut rig = Rig::open("a");
    let id = rig.core.subscribe("b".parse().unwrap(), Some("?"));
    rig.settle();
    let call = rig_number(&mut rig);
    assert!(rig.gaps().is_empty());
    rig.subscribed(call, "b", 12);
    assert_eq!(rig.gaps(), [(Some(patterns("b")), vec![id])]);
}

#[test]
fn channels_that_did_not_fit_the_url_begin_after_the_gap_of_a_new_stream() {
    let names: Vec<String> = (10..25).map(|n| format!("{}:{n}", "x".repeat(190))).collect();
    let mut rig = Rig::open(&names.join(" "));
    let resumed = channels_of(&rig.reopen());
    rig.connected(&resumed, 50, false);
    assert!(rig.sent().is_empty(), "from the old cursor on, it would be told a second gap");
    rig.gap(None, Some(50));
    assert!(rig.sent_one().body.unwrap().contains(&format!(r#""since":"{}""#, at(50))));
}

#[test]
fn a_stream_that_neither_resumes_nor_reports_a_gap_counts_as_a_gap() {
    let mut rig = Rig::open("a");
    rig.reopen();
    rig.connected("a", 50, false);
    assert_eq!(rig.record("a", 51), [], "the refetch shows it");
    assert_eq!(rig.gaps().len(), 1);
    assert_eq!(rig.record("a", 52), [HandlerId(0)]);
}
