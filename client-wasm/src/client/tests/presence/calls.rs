//! The calls that ask for presence.

use super::*;

#[test]
fn a_server_without_presence_is_told_as_such_and_not_asked() {
    let mut rig = Rig::open("a");
    let id = rig.watch("a");
    assert!(rig.sent().is_empty());
    assert_eq!(rig.settled(), [(id, Some("presenceOff".into()))]);
    assert_eq!(rig.failures()[0].code, "presenceOff");
    rig.live(120_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn a_call_that_failed_is_made_again_with_what_is_wanted_then() {
    for status in [None, Some(503), Some(429)] {
        let mut rig = Rig::present();
        rig.watch("a");
        let call = rig.sent_one().number;
        rig.answer(call, Answer { status, ..Answer::default() });
        assert!(rig.failures()[0].will_retry);
        rig.watch("b");
        assert!(rig.sent().is_empty());
        rig.live(30_000);
        let [alive, call] = &rig.sent()[..] else { panic!("two calls") };
        assert_eq!(alive.url, "/e/alive");
        assert!(call.body.as_deref().unwrap().ends_with(r#""revision":3,"channels":["a","b"]}"#), "{status:?}");
    }
}

#[test]
fn a_call_without_an_answer_is_made_again() {
    let mut rig = Rig::present();
    rig.watch("a");
    rig.sent_one();
    rig.live(40_000);
    let again = rig.sent().into_iter().filter(|call| call.url.ends_with("presence")).count();
    assert_eq!(again, 1);
}

#[test]
fn a_call_that_is_wrong_is_not_made_again() {
    let mut rig = Rig::present();
    let id = rig.watch("a");
    let call = rig.sent_one().number;
    rig.status(call, 403);
    assert_eq!(rig.settled(), [(id, Some("forbidden".into()))]);
    rig.live(20_000);
    assert!(rig.sent().is_empty());
}

#[test]
fn the_server_is_told_every_30_seconds_that_somebody_reads_the_stream() {
    let mut rig = Rig::present();
    rig.live(20_000);
    assert!(rig.sent().is_empty());
    rig.live(10_000);
    let call = rig.sent_one();
    assert_eq!((call.url.as_str(), call.body.as_deref()), ("/e/alive", Some(r#"{"connectionId":"n1"}"#)));
    // Whatever the answer is, the next call is due at its time.
    rig.status(call.number, 503);
    assert!(rig.failures().is_empty());
    rig.live(30_000);
    let call = rig.sent_one().number;
    rig.status(call, 204);
    assert_eq!(rig.core.state(), State::Open);
}

#[test]
fn a_challenge_is_answered_at_once_by_a_server_without_presence_too() {
    for alive_ms in [0, ALIVE] {
        let mut rig = Rig::new();
        rig.core.connect();
        rig.settle();
        rig.connected_with(alive_ms);
        rig.done.clear();
        rig.frame(Frame::Challenge);
        let call = rig.sent_one();
        assert_eq!((call.url.as_str(), call.body.as_deref()), ("/e/alive", Some(r#"{"connectionId":"n1"}"#)));
        rig.status(call.number, 204);
        assert_eq!(rig.core.state(), State::Open);
    }
}

#[test]
fn a_stream_that_the_server_does_not_know_is_opened_anew() {
    let mut rig = Rig::present();
    rig.live(30_000);
    let call = rig.sent_one().number;
    rig.status(call, 404);
    assert_eq!(rig.core.state(), State::Waiting);

    let mut rig = Rig::present();
    rig.watch("a");
    let call = rig.sent_one().number;
    rig.status(call, 404);
    assert_eq!(rig.core.state(), State::Waiting);
}
