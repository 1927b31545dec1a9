//! Streams that carry several logs, whose `id:`s are lists of cursors.

use super::*;

fn point(text: &str) -> Option<Cursors> {
    Some(text.parse().unwrap())
}

/// An open stream of two logs, with these channels.
fn open(channels: &str, id: &str) -> Rig {
    let mut rig = Rig::new();
    let ids: Vec<_> = channels.split_whitespace().map(|channel| rig.subscribe(channel)).collect();
    rig.core.connect();
    rig.settle();
    connected(&mut rig, channels, id, false);
    assert_eq!(rig.settled().len(), ids.len());
    rig.done.clear();
    rig
}

fn connected(rig: &mut Rig, channels: &str, id: &str, resumed: bool) {
    rig.frame(Frame::Connected(Connected {
        id: point(id),
        connection_id: "n1".into(),
        channels: patterns(channels),
        resumed,
        heartbeat_ms: 15_000,
        ..Connected::default()
    }));
}

fn record(rig: &mut Rig, channel: &str, id: &str) -> usize {
    let route = rig.core.routes().find(channel, Hears::Channels);
    let mut heard = Vec::new();
    rig.core.record(rig.now, route, point(id), None, &mut heard);
    rig.settle();
    heard.len()
}

fn backfill(rig: &mut Rig, call: u32, channel: &str, cursor: &str) -> usize {
    let route = rig.core.routes().find(channel, Hears::Channels);
    let mut heard = Vec::new();
    rig.core.backfill(rig.now, &call.to_string(), route, point(cursor), None, &mut heard);
    rig.settle();
    heard.len()
}

#[test]
fn the_next_stream_is_asked_for_with_the_id_as_it_was_given() {
    let mut rig = open("a", "b.7.1,a.5.1");
    assert_eq!(record(&mut rig, "a", "b.7.1,a.6.2"), 1);
    let url = rig.reopen();
    assert_eq!(parameter(&url, "lastEventId").as_deref(), Some("b.7.1,a.6.2"));
    assert_eq!(parameter(&url, "seen"), None);
}

#[test]
fn an_event_of_one_log_is_not_taken_for_one_that_another_log_has_passed() {
    let mut rig = open("a", "a.5.1,b.70.1");
    assert_eq!(record(&mut rig, "a", "a.6.1,b.70.1"), 1);
    assert_eq!(record(&mut rig, "a", "a.6.1,b.71.1"), 1);
    assert_eq!(record(&mut rig, "a", "a.7.1,b.71.1"), 1);
}

#[test]
fn the_past_of_each_log_is_brought_once() {
    let mut rig = open("a", "a.5.1,b.7.1");
    let late = rig.core.subscribe("late".parse().unwrap(), Some("a.2.1,b.3.1"));
    rig.settle();
    let call = rig.sent_one();
    assert!(call.body.unwrap().contains(r#""since":"a.2.1,b.3.1""#));
    assert_eq!(backfill(&mut rig, call.number, "late", "a.2.1,b.3.1"), 0);
    assert_eq!(backfill(&mut rig, call.number, "late", "a.4.1,b.3.1"), 1);
    assert_eq!(backfill(&mut rig, call.number, "late", "a.4.1,b.6.1"), 1);
    assert_eq!(backfill(&mut rig, call.number, "late", "a.4.1,b.6.1"), 0);
    let (request_id, channels) = (call.number.to_string(), patterns("late"));
    rig.frame(Frame::Subscribed { request_id, channels, addressed: false, cursor: point("a.5.1,b.7.1") });
    assert_eq!(rig.core.heard_up_to(late), "a.5.1,b.7.1");
    assert_eq!(record(&mut rig, "late", "a.5.1,b.7.1"), 0);
    assert_eq!(record(&mut rig, "late", "a.5.1,b.8.1"), 1);
}

#[test]
fn the_cursors_of_a_backfill_of_one_log_are_sent_as_seen() {
    let mut rig = open("a", "a.5.1,b.7.1");
    rig.core.subscribe("late".parse().unwrap(), Some("a.2.1,b.3.1"));
    rig.settle();
    let call = rig.sent_one().number;
    backfill(&mut rig, call, "late", "a.9.1,b.3.1");
    let url = rig.reopen();
    assert_eq!(parameter(&url, "lastEventId").as_deref(), Some("a.5.1,b.7.1"));
    assert_eq!(parameter(&url, "seen").as_deref(), Some("a.9.1"));
}

#[test]
fn a_log_that_is_gone_is_not_kept_in_a_floor() {
    let mut rig = open("a", "a.5.1,b.7.1");
    rig.frame(Frame::Gap {
        channels: None,
        addressed: true,
        cursor: None,
        reason: "epoch".into(),
        request_id: None,
        id: point("a.6.1,c.0.0"),
    });
    assert_eq!(rig.gaps().len(), 1);
    assert_eq!(record(&mut rig, "a", "a.6.1,c.1.1"), 1);
    assert_eq!(parameter(&rig.reopen(), "lastEventId").as_deref(), Some("a.6.1,c.1.1"));
}

#[test]
fn a_page_may_begin_from_a_list() {
    let mut rig = Rig::with(Config { since: Some("a.5.1,b.7.1".into()), ..Config::new("/e") });
    rig.subscribe("a");
    rig.settle();
    assert_eq!(parameter(&rig.opened(), "lastEventId").as_deref(), Some("a.5.1,b.7.1"));
}
