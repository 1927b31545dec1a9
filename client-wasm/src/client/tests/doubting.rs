//! Doubt about an awaited answer: by `connect`, by the network coming back, by a tab becoming visible.

use super::*;

const DOUBTS: [fn(&mut Rig); 3] =
    [|rig| rig.core.connect(), |rig| rig.core.online(rig.now), |rig| rig.core.visible(rig.now)];

#[test]
fn an_attempt_that_hangs_is_begun_anew() {
    for doubt in DOUBTS {
        let mut rig = Rig::new();
        rig.subscribe("a");
        rig.settle();
        let url = rig.opened();
        rig.pass(999);
        doubt(&mut rig);
        rig.settle();
        assert!(!rig.opened_any(), "it may still answer");
        rig.pass(1);
        doubt(&mut rig);
        rig.settle();
        assert!(rig.done.contains(&Action::Close));
        assert_eq!(rig.opened(), url);
    }
}

#[test]
fn each_time_it_has_twice_as_long() {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    rig.opened();
    for patience in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 32_000] {
        rig.pass(patience - 1);
        rig.core.online(rig.now);
        rig.settle();
        assert!(!rig.opened_any(), "{patience}");
        rig.pass(1);
        rig.core.online(rig.now);
        rig.settle();
        assert!(rig.opened_any(), "{patience}");
    }
    rig.connected("a", 10, false);
    rig.reopen();
    rig.pass(1_000);
    rig.core.online(rig.now);
    rig.settle();
    assert!(rig.opened_any(), "a stream was there in between");
}

#[test]
fn a_diagnosis_that_hangs_gives_way_to_another_attempt() {
    for doubt in DOUBTS {
        let mut rig = Rig::new();
        rig.subscribe("a");
        rig.settle();
        rig.opened();
        rig.fail();
        rig.sent_one();
        rig.pass(1_000);
        doubt(&mut rig);
        rig.settle();
        rig.opened();
    }
}

#[test]
fn a_token_that_does_not_come_is_asked_for_anew() {
    for doubt in DOUBTS {
        let mut rig = Rig::with(Config { access: Access::Token, ..Config::new("/e") });
        rig.subscribe("a");
        rig.settle();
        let first = rig.sent_one();
        rig.pass(1_000);
        doubt(&mut rig);
        rig.settle();
        let second = rig.sent_one();
        assert_eq!((first.ask, second.ask), (Ask::Token, Ask::Token));
        rig.status(first.number, 200);
        assert!(!rig.opened_any(), "it is the second that is awaited");
        rig.status(second.number, 200);
        rig.opened();
    }
}

#[test]
fn a_call_that_hangs_is_made_again_soon() {
    for doubt in DOUBTS {
        let mut rig = Rig::open("a");
        rig.subscribe("b");
        rig.settle();
        let call = rig.sent_one().number;
        rig.pass(1_000);
        doubt(&mut rig);
        rig.settle();
        rig.pass(5_000 + Backoff::default().base_ms);
        assert_eq!(rig.sent_one().number, call);
    }
}

#[test]
fn connect_makes_an_open_stream_prove_that_it_lives() {
    let mut rig = Rig::open("a");
    rig.pass(10_000);
    rig.core.connect();
    rig.settle();
    rig.pass(18_749);
    assert_eq!(rig.core.state(), State::Open);
    rig.pass(1);
    assert_eq!(rig.core.state(), State::Waiting);
}

/// A client that a server answered with this status, and told to stay away for this long.
fn sent_away(status: u16, retry_after_ms: u64) -> Rig {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    rig.opened();
    rig.fail();
    let check = rig.sent_one().number;
    let retry_after_ms = Some(retry_after_ms);
    rig.answer(check, Answer { status: Some(status), retry_after_ms, ..Answer::default() });
    rig
}

#[test]
fn no_server_is_given_more_than_five_minutes() {
    for status in [429, 503] {
        let mut rig = sent_away(status, 3_600_000);
        rig.pass(299_999);
        assert!(!rig.opened_any());
        rig.pass(1);
        rig.opened();
    }
    let mut rig = Rig::open("a");
    rig.frame(Frame::Closing { reason: "drain".into(), retry_ms: 3_600_000 });
    rig.pass(300_000);
    rig.opened();
}

#[test]
fn somebody_who_looks_need_not_wait_for_a_server_that_was_away() {
    let mut rig = sent_away(503, 60_000);
    rig.core.visible(rig.now);
    rig.pass(500);
    rig.opened();
}

#[test]
fn a_server_that_has_had_enough_is_left_alone_by_those_who_look_as_well() {
    let mut rig = sent_away(429, 60_000);
    rig.core.visible(rig.now);
    rig.core.online(rig.now);
    rig.pass(59_999);
    assert!(!rig.opened_any());
    rig.pass(1);
    rig.opened();
}
