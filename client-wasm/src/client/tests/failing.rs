//! Failed connections, lost streams, and the waits before reconnecting.

use super::*;

/// A failed connection, and the number of its diagnosis.
fn failed() -> (Rig, u32) {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    rig.opened();
    rig.fail();
    let check = rig.sent_one();
    assert_eq!((check.url.as_str(), &check.body), ("/e/check?deviceId=d1&protocol=2", &None));
    (rig, check.number)
}

fn next_attempt(rig: &Rig) -> u64 {
    assert_eq!(rig.core.state(), State::Waiting);
    rig.core.deadline().unwrap() - rig.now
}

#[test]
fn a_failed_connect_is_closed_and_diagnosed() {
    let (mut rig, _) = failed();
    assert_eq!(rig.core.state(), State::Waiting);
    assert_eq!(rig.take(|action| (*action == Action::Close).then_some(())).len(), 1);
}

#[test]
fn every_refusal_has_its_code_and_its_wait() {
    let retry_after = Answer { retry_after_ms: Some(7_000), ..Answer::default() };
    let own_code =
        Answer { code: Some("credentialsExpired".into()), detail: Some("since noon".into()), ..Answer::default() };
    for (status, answer, code, waits) in [
        (None, Answer::default(), "network", 0..=1_000),
        (Some(200), Answer::default(), "network", 0..=1_000),
        (Some(401), Answer::default(), "unauthorized", 30_000..=30_000),
        (Some(401), own_code, "credentialsExpired", 30_000..=30_000),
        (Some(403), Answer::default(), "forbidden", 30_000..=30_000),
        (Some(404), Answer::default(), "notFound", 0..=1_000),
        (Some(429), retry_after.clone(), "tooManyRequests", 7_000..=7_000),
        (Some(500), Answer::default(), "unavailable", 0..=1_000),
        (Some(503), retry_after, "unavailable", 7_000..=7_000),
        (Some(418), Answer::default(), "unexpected", 0..=1_000),
    ] {
        let (mut rig, check) = failed();
        rig.answer(check, Answer { status, ..answer.clone() });
        let failures = rig.failures();
        let [failure] = &failures[..] else { panic!("{status:?}: {failures:?}") };
        assert_eq!((&*failure.code, failure.will_retry), (code, true), "{status:?}");
        assert_eq!(failure.status, status.filter(|status| *status != 200));
        assert_eq!(failure.detail, answer.detail);
        assert!(waits.contains(&next_attempt(&rig)), "{status:?}: {}", next_attempt(&rig));
    }
}

#[test]
fn waits_grow_with_every_failure_and_are_told() {
    let (mut rig, mut check) = failed();
    let mut longest = 0;
    for attempt in 1..12 {
        rig.statuses();
        rig.status(check, 503);
        let wait = next_attempt(&rig);
        assert!(wait <= 30_000.min(1_000 << (attempt - 1)), "attempt {attempt}: {wait}");
        longest = longest.max(wait);
        let status = rig.statuses().remove(0);
        assert_eq!((status.attempt, status.retry_in_ms), (attempt, Some(wait)));
        rig.pass(wait);
        rig.opened();
        rig.fail();
        check = rig.sent_one().number;
    }
    assert!(longest > 15_000, "{longest}");
}

#[test]
fn a_diagnosis_without_an_answer_ends_by_itself() {
    let (mut rig, _) = failed();
    rig.pass(10_000);
    assert_eq!(rig.failures()[0].code, "network");
    rig.pass(1_000);
    assert!(rig.opened_any());
}

#[test]
fn an_attempt_without_an_answer_fails() {
    let mut rig = Rig::new();
    rig.core.connect();
    rig.settle();
    rig.opened();
    rig.pass(37_499);
    assert!(rig.sent().is_empty());
    rig.pass(1);
    assert_eq!(rig.sent_one().url, "/e/check?deviceId=d1&protocol=2");
}

#[test]
fn the_answer_to_an_old_diagnosis_changes_nothing() {
    let (mut rig, check) = failed();
    rig.core.connect();
    rig.settle();
    rig.opened();
    rig.status(check, 401);
    assert!(rig.failures().is_empty());
    assert_eq!(rig.core.state(), State::Connecting);
}

#[test]
fn attempts_end_where_they_are_limited() {
    let reconnect = Some(Backoff { max_attempts: 2, ..Backoff::default() });
    let mut rig = Rig::with(Config { reconnect, ..Config::new("/e") });
    rig.core.connect();
    rig.settle();
    for last in [false, true] {
        rig.fail();
        let check = rig.sent_one().number;
        rig.status(check, 503);
        assert_eq!(rig.failures()[0].will_retry, !last);
        rig.pass(2_000);
    }
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Closed, None));
    rig.core.connect();
    rig.settle();
    assert_eq!(rig.core.state(), State::Connecting, "connect resets the attempts");
}

#[test]
fn without_reconnect_one_failure_closes() {
    let mut rig = Rig::with(Config { reconnect: None, ..Config::new("/e") });
    rig.core.connect();
    rig.settle();
    rig.connected("", 10, false);
    rig.fail();
    assert_eq!(rig.core.state(), State::Closed);
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("network", false));
}

#[test]
fn a_lost_stream_is_not_diagnosed() {
    let mut rig = Rig::open("a");
    rig.pass(10_000);
    rig.fail();
    assert!(rig.sent().is_empty() && rig.failures().is_empty());
    assert!(next_attempt(&rig) <= 1_000);
}

#[test]
fn only_a_stream_that_lived_ends_a_row_of_failures() {
    let mut rig = Rig::open("a");
    for round in 1..8 {
        rig.fail();
        let status = rig.statuses().pop().unwrap();
        assert_eq!(status.attempt, round);
        rig.pass(status.retry_in_ms.unwrap());
        rig.connected("a", 10, true);
    }
    rig.pass(5_000);
    rig.fail();
    assert_eq!(rig.statuses().pop().unwrap().attempt, 0);
    assert!(next_attempt(&rig) <= 1_000);
}

#[test]
fn online_and_a_visible_tab_cut_a_wait_short() {
    for hurry in [ClientCore::online, ClientCore::visible] {
        let (mut rig, mut check) = failed();
        for _ in 0..6 {
            rig.status(check, 503);
            rig.pass(next_attempt(&rig));
            rig.fail();
            check = rig.sent().last().unwrap().number;
        }
        rig.opened_any();
        rig.status(check, 503);
        assert!(next_attempt(&rig) > 500, "the seed makes this a long wait");
        hurry(&mut rig.core, rig.now);
        assert!(next_attempt(&rig) <= 500);
        rig.pass(500);
        rig.opened();
    }
}

#[test]
fn nothing_but_connect_cuts_short_what_the_server_asked_for() {
    let (mut rig, check) = failed();
    rig.status(check, 401);
    rig.core.online(rig.now);
    rig.core.visible(rig.now);
    assert_eq!(next_attempt(&rig), 30_000);
    rig.core.connect();
    rig.settle();
    rig.opened();
}

#[test]
fn a_closing_server_is_met_again_when_it_says() {
    let mut rig = Rig::open("a");
    rig.pass(6_000);
    rig.frame(Frame::Closing { reason: "drain".into(), retry_ms: 2_345 });
    assert_eq!(next_attempt(&rig), 2_345);
    assert!(rig.failures().is_empty());
    rig.pass(2_345);
    assert_eq!(parameter(&rig.opened(), "lastEventId"), Some(at(10).to_string()));
}

#[test]
fn a_server_that_closes_for_a_reason_of_ours_says_so() {
    let mut rig = Rig::open("a");
    rig.pass(6_000);
    rig.frame(Frame::Closing { reason: "expired".into(), retry_ms: 0 });
    let failure = rig.failures().remove(0);
    assert_eq!((&*failure.code, failure.will_retry), ("expired", true));
}

#[test]
fn disconnect_ends_it_and_connect_resumes() {
    let mut rig = Rig::open("a");
    rig.core.disconnect();
    rig.settle();
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Closed, None));
    rig.subscribe("b");
    rig.settle();
    assert!(!rig.opened_any(), "a handler does not undo it");
    rig.core.connect();
    rig.settle();
    let url = rig.opened();
    assert_eq!((channels_of(&url).as_str(), parameter(&url, "lastEventId")), ("a", Some(at(10).to_string())));
}

#[test]
fn a_page_in_the_back_forward_cache_holds_no_stream() {
    let mut rig = Rig::open("a");
    rig.core.suspend();
    rig.settle();
    assert_eq!(rig.take(|action| (*action == Action::Close).then_some(())).len(), 1);
    assert_eq!((rig.core.state(), rig.core.deadline()), (State::Waiting, None));
    rig.core.online(rig.now);
    assert_eq!(rig.core.deadline(), None);
    rig.core.resume(rig.now);
    rig.settle();
    assert_eq!(parameter(&rig.opened(), "lastEventId"), Some(at(10).to_string()));
}

#[test]
fn a_page_that_comes_back_without_a_connection_makes_none() {
    let mut rig = Rig::new();
    rig.core.suspend();
    rig.core.resume(rig.now);
    rig.settle();
    assert!(rig.done.is_empty());
}

#[test]
fn a_silent_attempt_after_one_that_failed_otherwise_is_no_sign_of_a_proxy_that_buffers() {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    for is_silent in [false, true] {
        while !rig.opened_any() {
            rig.pass(100);
        }
        if is_silent {
            let until = rig.core.deadline().unwrap();
            rig.pass(until - rig.now);
        } else {
            rig.fail();
        }
        let check = rig.sent_one().number;
        rig.status(check, 200);
        assert_eq!(rig.failures().pop().unwrap().code, "network");
        assert!(next_attempt(&rig) < 10_000, "{}", next_attempt(&rig));
    }
}

#[test]
fn a_stream_that_is_silent_while_the_server_answers_is_told_as_buffered_and_seldom_tried_again() {
    let mut rig = Rig::new();
    rig.subscribe("a");
    rig.settle();
    // After a single failure, the request may have been lost.
    for (code, wait) in
        [("network", None), ("buffered", Some(20_000)), ("buffered", Some(40_000)), ("buffered", Some(80_000))]
    {
        while !rig.opened_any() {
            rig.pass(100);
        }
        let until = rig.core.deadline().unwrap();
        rig.pass(until - rig.now);
        let check = rig.sent_one().number;
        rig.status(check, 200);
        let failures = rig.failures();
        let [failure] = &failures[..] else { panic!("{failures:?}") };
        assert_eq!((&*failure.code, failure.will_retry), (code, true));
        // Of several servers one may hang while another one has answered, so the first waits are short.
        assert!(wait.is_none_or(|wait| next_attempt(&rig) == wait), "{wait:?}: {}", next_attempt(&rig));
    }
    // A user who looks at the page need not wait for that.
    rig.core.visible(rig.now);
    assert!(next_attempt(&rig) <= 500);
}
