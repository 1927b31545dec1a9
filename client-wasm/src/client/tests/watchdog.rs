//! Silent streams.

use super::*;

#[test]
fn silence_for_two_and_a_half_intervals_ends_the_stream() {
    let mut rig = Rig::open("a");
    rig.pass(37_499);
    assert_eq!(rig.core.state(), State::Open);
    rig.pass(1);
    assert_eq!(rig.core.state(), State::Waiting);
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("silent", true));
}

#[test]
fn a_message_moves_no_timer_and_still_counts() {
    let mut rig = Rig::open("a");
    let deadline = rig.core.deadline();
    rig.pass(30_000);
    rig.record("a", 11);
    assert_eq!(rig.core.deadline(), deadline);
    rig.pass(37_499);
    assert_eq!(rig.core.state(), State::Open);
    rig.pass(1);
    assert_eq!(rig.core.state(), State::Waiting);
}

#[test]
fn every_kind_of_frame_is_a_sign_of_life() {
    let gap = Frame::Gap {
        channels: Some(patterns("z")),
        addressed: false,
        cursor: None,
        reason: "trimmed".into(),
        request_id: None,
        id: None,
    };
    let subscribed = Frame::Subscribed { request_id: "9".into(), channels: vec![], addressed: false, cursor: None };
    let frames = [Frame::Heartbeat { id: None }, Frame::Other, gap, subscribed];
    for frame in frames {
        let mut rig = Rig::open("a");
        rig.pass(30_000);
        rig.frame(frame.clone());
        rig.pass(30_000);
        assert_eq!(rig.core.state(), State::Open, "{frame:?}");
    }
    let mut rig = Rig::open("a");
    rig.pass(30_000);
    rig.backfill(9, "a", 3);
    rig.pass(30_000);
    assert_eq!(rig.core.state(), State::Open);
}

#[test]
fn the_servers_own_interval_counts() {
    let mut rig = Rig::new();
    rig.core.connect();
    rig.settle();
    rig.frame(Frame::Connected(Connected { heartbeat_ms: 1_000, ..Connected::default() }));
    rig.pass(2_500);
    assert_eq!(rig.core.state(), State::Waiting);
}

#[test]
fn a_late_timer_grants_one_more_interval_and_no_second_one() {
    let mut rig = Rig::open("a");
    rig.now += 600_000; // the machine slept
    rig.core.wake(rig.now);
    rig.settle();
    assert_eq!(rig.core.state(), State::Open);
    assert_eq!(rig.core.deadline(), Some(rig.now + 15_000));
    rig.now += 600_000;
    rig.core.wake(rig.now);
    assert_eq!(rig.core.state(), State::Waiting);
}

#[test]
fn a_frame_within_the_silence_limit_ends_the_doubt() {
    let mut rig = Rig::open("a");
    rig.now += 600_000;
    rig.core.wake(rig.now);
    rig.heartbeat(12);
    rig.pass(15_000);
    assert_eq!(rig.core.state(), State::Open);
    rig.now += 600_000;
    rig.core.wake(rig.now);
    assert_eq!(rig.core.state(), State::Open, "another late timer, another interval");
}

#[test]
fn an_open_stream_proves_itself_within_an_interval_after_online() {
    let mut rig = Rig::open("a");
    rig.pass(10_000);
    rig.core.online(rig.now);
    assert_eq!(rig.core.state(), State::Open, "it may well have survived");
    rig.pass(18_749);
    assert_eq!(rig.core.state(), State::Open);
    rig.pass(1);
    assert_eq!(rig.core.state(), State::Waiting);
}

#[test]
fn a_stream_that_proved_itself_is_trusted_again() {
    let mut rig = Rig::open("a");
    rig.pass(10_000);
    rig.core.online(rig.now);
    rig.pass(5_000);
    rig.heartbeat(11);
    rig.pass(30_000);
    assert_eq!(rig.core.state(), State::Open);
}

#[test]
fn a_tab_shown_again_and_again_neither_delays_nor_hastens_the_verdict() {
    let mut rig = Rig::open("a");
    for _ in 0..18 {
        rig.core.visible(rig.now);
        rig.pass(1_000);
    }
    assert_eq!(rig.core.state(), State::Open);
    rig.core.visible(rig.now);
    rig.pass(1_000);
    assert_eq!(rig.core.state(), State::Waiting);
}
