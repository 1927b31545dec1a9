//! Gaps, which are reported where events may be lost.

use super::*;

#[test]
fn a_gap_of_the_stream_moves_the_cursor_even_backwards() {
    let mut rig = Rig::open("a");
    rig.heartbeat(90);
    rig.gap(None, Some(40));
    let url = rig.reopen();
    assert_eq!(parameter(&url, "lastEventId"), Some(at(40).to_string()));
    assert_eq!(parameter(&url, "seen"), None);
}

#[test]
fn a_gap_of_the_stream_clears_every_mark_pending_ones_included() {
    let mut rig = Rig::open("a");
    let active = rig.subscribe_since("a", 3);
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 200);
    rig.subscribed(call, "a", 80);
    let pending = rig.subscribe_since("b", 3);
    rig.settle();
    let call = rig.sent_one().number;
    rig.backfill(call, "b", 70);
    // The log lost its end, and the records from 41 on are different ones now.
    rig.gap(None, Some(40));
    assert!(rig.record("a", 41).contains(&active));
    assert_eq!(rig.backfill(call, "b", 42), [pending]);
}

#[test]
fn a_gap_of_the_stream_is_where_a_pending_subscription_begins_anew() {
    let mut rig = Rig::open("a");
    rig.subscribe_since("b", 3);
    rig.settle();
    rig.gap(None, Some(40));
    rig.reopen();
    rig.connected("a", 40, true);
    let body = rig.sent().pop().unwrap().body.unwrap();
    assert!(body.contains(&format!(r#""since":"{}""#, at(40))), "{body}");
}

#[test]
fn a_gap_with_a_list_clears_the_marks_of_its_channels_only() {
    let mut rig = Rig::open("a b");
    let mut confirm = |channel: &str| {
        let id = rig.subscribe_since(channel, 3);
        rig.settle();
        let call = rig.sent_one().number;
        rig.status(call, 200);
        rig.subscribed(call, channel, 80);
        id
    };
    let (a, b) = (confirm("a"), confirm("b"));
    rig.gap(Some("a"), None);
    assert!(rig.record("a", 41).contains(&a));
    assert!(!rig.record("b", 42).contains(&b));
}

#[test]
fn a_gap_with_a_list_leaves_a_pending_subscription_its_since() {
    let mut rig = Rig::open("a");
    rig.subscribe_since("b", 3);
    rig.settle();
    rig.gap(Some("b"), None);
    // A cut before `subscribed`: the events after the gap have not been promised yet.
    rig.reopen();
    rig.connected("a", 10, true);
    let body = rig.sent().pop().unwrap().body.unwrap();
    assert!(body.contains(&format!(r#""since":"{}""#, at(3))), "{body}");
}

#[test]
fn a_gap_of_a_call_is_told_to_those_who_asked_by_it() {
    let mut rig = Rig::open("a");
    rig.subscribe("a");
    let asks = rig.subscribe_since("a", 3);
    rig.settle();
    let call = rig.sent_one().number;
    let channels = Some(patterns("a"));
    rig.frame(Frame::Gap {
        channels,
        addressed: false,
        cursor: None,
        reason: "trimmed".into(),
        request_id: Some(call.to_string()),
        id: None,
    });
    assert_eq!(rig.gaps(), [(Some(patterns("a")), vec![asks])]);
}

#[test]
fn a_since_that_the_log_has_lost_hides_nothing_of_what_took_its_place() {
    let mut rig = Rig::open("a");
    let b = rig.subscribe_since("b", 30);
    rig.settle();
    let call = rig.sent_one().number;
    rig.status(call, 200);
    rig.gap(Some("b"), None);
    rig.subscribed(call, "b", 20);
    assert_eq!(rig.record("b", 21), [b]);
}

#[test]
fn a_gap_with_a_list_does_not_move_the_cursor() {
    let mut rig = Rig::open("a");
    rig.gap(Some("a"), Some(77));
    assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(10).to_string()));
}

#[test]
fn a_gap_reaches_the_streams_whose_channels_overlap_its_list() {
    let mut rig = Rig::open("a:1 a:2 b");
    let ids: Vec<HandlerId> = (0..3).map(HandlerId).collect();
    rig.gap(Some("a:*"), None);
    assert_eq!(rig.gaps(), [(Some(patterns("a:*")), ids[..2].to_vec())]);
    rig.gap(None, Some(12));
    assert_eq!(rig.gaps(), [(None, ids)]);
}

#[test]
fn a_gap_among_addressed_events_is_reported_to_their_handlers_and_its_list_to_others() {
    let mut rig = Rig::open("a b");
    let on = rig.core.on("timer".parse().unwrap());
    rig.settle();
    rig.gap_among_addressed("");
    rig.gap_among_addressed("a");
    let told = rig.take(|action| match action {
        Action::Gap { channels, addressed: true, handlers, .. } => Some((channels.clone(), handlers.clone())),
        _ => None,
    });
    assert_eq!(told, [(Some(vec![]), vec![on]), (Some(patterns("a")), vec![HandlerId(0), on])]);
}

#[test]
fn a_resumed_stream_goes_on_except_for_what_a_gap_with_a_list_names() {
    let mut rig = Rig::open("a b");
    let (a, b) = (HandlerId(0), HandlerId(1));
    assert_eq!(rig.record("b", 12), [b]);
    let url = rig.reopen();
    assert_eq!(parameter(&url, "lastEventId"), Some(at(12).to_string()));
    rig.connected("a b", 12, true);
    rig.gap(Some("a"), None);
    assert_eq!(rig.gaps(), [(Some(patterns("a")), vec![a])]);
    assert_eq!((rig.record("a", 13), rig.record("b", 14)), (vec![a], vec![b]));
    assert_eq!(parameter(&rig.reopen(), "lastEventId"), Some(at(14).to_string()));
}

#[test]
fn addressed_events_can_be_revoked_and_come_back_with_a_gap() {
    let mut rig = Rig::open("a");
    let on = rig.core.on("timer".parse().unwrap());
    rig.settle();
    assert_eq!(rig.settled(), [(on, None)]);
    rig.frame(Frame::Revoked { channels: Vec::new(), addressed: true, code: "forbidden".into() });
    assert_eq!(rig.settled(), [(on, Some("forbidden".into()))]);
    rig.reopen();
    rig.connected("a", 10, true);
    assert_eq!(rig.settled(), [(on, None)]);
    assert_eq!(rig.gaps(), [(Some(vec![]), vec![on])]);
}

#[test]
fn positions_of_another_epoch_are_not_compared() {
    let mut rig = Rig::open("a");
    let id = rig.subscribe_since("a", 3);
    rig.settle();
    let call = rig.sent_one().number;
    rig.subscribed(call, "a", 80);
    let route = rig.core.routes().find("a", Hears::Channels);
    let mut heard = Vec::new();
    rig.core.record(rig.now, route, Some(Cursor { epoch: 2, seq: 1, tag: 1 }.into()), None, &mut heard);
    assert!(heard.contains(&id));
}
