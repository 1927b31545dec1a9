//! Subscribe calls on a live stream, and their backfills.

use super::*;

#[test]
fn a_subscription_without_a_past_starts_where_subscribed_says() {
    let mut fixture = fixture(100);
    let link = fixture.open(&[], Start::Head);
    fixture.publish(&["a", "a"]);
    fixture.subscribe(&link, "r1", &["a"], Since::Now);
    assert_eq!(fixture.hear(&link), ["connected @0", "subscribed r1 2"]);
    fixture.publish(&["a"]);
    assert_eq!(fixture.core.flush(), 1);
    assert_eq!(fixture.hear(&link), ["3 a @3"]);
}

#[test]
fn the_backfill_of_a_call_comes_before_its_confirmation() {
    for window in [1, 100] {
        let mut fixture = fixture(window);
        let link = fixture.open(&["b"], Start::Head);
        fixture.publish(&["a", "a", "b", "a"]);
        fixture.core.flush();
        fixture.subscribe(&link, "r1", &["a"], Since::After(at(1)));
        let expected = ["connected @0", "3 b @3", "backfill r1 2 a", "backfill r1 4 a", "subscribed r1 4"];
        assert_eq!(fixture.hear(&link), expected, "window of {window}");
        fixture.publish(&["a"]);
        fixture.core.flush();
        assert_eq!(fixture.hear(&link), ["5 a @5"]);
    }
}

#[test]
fn a_past_that_is_written_in_small_batches_has_no_hole() {
    let mut fixture = fixture(100);
    fixture.publish(&["a"; 4]);
    let link = fixture.open(&[], Start::Head);
    fixture.subscribe(&link, "r1", &["a"], Since::After(at(0)));
    let said = fixture.drain(&link, 1);
    assert_eq!(
        said[1..],
        ["backfill r1 1 a", "backfill r1 2 a", "backfill r1 3 a", "backfill r1 4 a", "subscribed r1 4"]
    );
}

#[test]
fn a_past_that_is_trimmed_is_a_gap_on_those_channels_only() {
    let mut fixture = fixture(1);
    let link = fixture.open(&["b"], Start::Head);
    fixture.publish(&["a", "a", "a"]);
    fixture.core.flush();
    fixture.hear(&link);
    fixture.trimmed = 2;
    fixture.subscribe(&link, "r1", &["a"], Since::After(at(1)));
    assert_eq!(fixture.hear(&link), [r#"gap ["a"] trimmed"#, "backfill r1 3 a", "subscribed r1 3"]);
    fixture.subscribe(&link, "r2", &["c"], Since::Gap(GapReason::Diverged));
    assert_eq!(fixture.hear(&link), [r#"gap ["c"] diverged"#, "subscribed r2 3"]);
}

#[test]
fn another_log_is_told_once_and_covers_what_was_pending() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    fixture.publish(&["a"]);
    fixture.hear(&link);
    fixture.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    fixture.core.reset(Cursor { epoch: 2, seq: 5, tag: 9 }, GapReason::Epoch, AccessState::default());
    assert_eq!(fixture.hear(&link), ["gap null epoch @5", "subscribed r1 5"]);
}

#[test]
fn a_cursor_that_was_judged_in_another_log_is_not_taken_for_one_in_this() {
    let mut fixture = fixture(100);
    fixture.publish(&["a", "a"]);
    let live = fixture.open(&[], Start::Head);
    fixture.core.reset(Cursor { epoch: 2, seq: 5, tag: 9 }, GapReason::Epoch, AccessState::default());
    assert_eq!(fixture.hear(&live), ["connected @2", "gap null epoch @5"]);
    // Both cursors were judged good before the reset.
    let resumed = fixture.open(&["a"], resume(1));
    assert_eq!(fixture.hear(&resumed), ["connected", "gap null epoch @5"]);
    fixture.subscribe(&live, "r1", &["a"], Since::After(at(1)));
    assert_eq!(fixture.hear(&live), [r#"gap ["a"] epoch"#, "subscribed r1 5"]);
}

#[test]
fn an_unsubscribed_channel_is_silent_and_its_ancestors_go_on() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a:1", "a:*"], Start::Head);
    fixture.hear(&link);
    fixture.core.unsubscribe(&link, &patterns(&["a:*"]));
    fixture.publish(&["a:1", "a:2"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["1 a:1 @1"]);
    fixture.core.unsubscribe(&link, &patterns(&["a:1"]));
    fixture.publish(&["a:1"]);
    assert_eq!(fixture.core.flush(), 0);
}

#[test]
fn a_call_that_is_taken_back_before_its_confirmation_never_becomes_active() {
    let fixture = fixture(100);
    let link = fixture.open(&[], Start::Head);
    fixture.subscribe(&link, "r1", &["a"], Since::Now);
    fixture.core.unsubscribe(&link, &patterns(&["a"]));
    assert_eq!(fixture.hear(&link), ["connected @0"]);
}

#[test]
fn an_exclusion_hides_live_replayed_and_backfilled_records() {
    let mut fixture = fixture(1);
    let tab = |session: &str| Names {
        user: Some(UserId::new("ana").unwrap()),
        device: None,
        session: Some(SessionId::new(session).unwrap()),
    };
    for _ in 0..3 {
        let mut hidden = entry("a", "t", "1");
        hidden.except = tidings_protocol::Except {
            user_id: UserId::new("ana").unwrap(),
            session_id: Some(SessionId::new("one").unwrap()),
            device_id: None,
        }
        .into();
        fixture.append(hidden);
    }
    let one = fixture.open_as(tab("one"), &["a"], resume(0));
    let two = fixture.open_as(tab("two"), &["a"], resume(0));
    assert_eq!(fixture.hear(&one), ["connected @0"]);
    assert_eq!(fixture.hear(&two), ["connected @0", "1 a @1", "2 a @2", "3 a @3"]);
    fixture.subscribe(&one, "r1", &["a"], Since::After(at(0)));
    assert_eq!(fixture.hear(&one), ["subscribed r1 3"]);
}

#[test]
fn channels_beyond_the_limit_are_turned_away() {
    let fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    let asked = call("r1", granted(&["b", "c"]), Since::Now);
    let beyond = fixture.core.subscribe(&link, asked, None, 2).unwrap().beyond;
    assert_eq!(beyond, patterns(&["c"]));
}

/// Addressed events of the past, without orders.
#[test]
fn addressed_events_of_the_past_come_as_backfill_from_the_log_and_the_window_and_commands_do_not() {
    let mut fixture = fixture(2);
    for to in ["ana", "bob", "ana"] {
        fixture.append(addressed(to));
    }
    fixture.append(orders::revoke("elsewhere"));
    fixture.append(addressed("ana"));
    let names = Names { user: Some("ana".parse().unwrap()), ..Names::default() };
    let link = fixture.open_as(names, &["b"], Start::Head);
    assert_eq!(fixture.hear(&link), ["connected @5"]);
    fixture.append(entry("b", "t", "1"));
    let asked = SubscribeCall { addressed: true, ..call("r1", granted(&["a"]), Since::After(at(1))) };
    assert_eq!(fixture.core.subscribe(&link, asked, None, 100), Ok(NotSubscribed::default()));
    fixture.append(addressed("ana"));
    assert_eq!(
        fixture.hear(&link),
        [
            "6 b @6",
            "7 label @7",
            "backfill r1 3 label",
            "backfill r1 5 label",
            "backfill r1 7 label",
            "subscribed r1 7"
        ]
    );
    fixture.append(addressed("ana"));
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["8 label @8"]);
}

#[test]
fn a_call_about_addressed_events_outlives_its_channels() {
    let mut fixture = fixture(100);
    fixture.append(addressed("ana"));
    let names = Names { user: Some("ana".parse().unwrap()), ..Names::default() };
    let link = fixture.open_as(names, &[], Start::Head);
    fixture.hear(&link);
    let asked = SubscribeCall { addressed: true, ..call("r1", granted(&["a"]), Since::After(at(0))) };
    fixture.core.subscribe(&link, asked, None, 100).unwrap();
    fixture.core.unsubscribe(&link, &patterns(&["a"]));
    assert_eq!(fixture.hear(&link), ["backfill r1 1 label", "subscribed r1 1"]);
}

#[test]
fn unconfirmed_calls_about_addressed_events_are_bounded() {
    let fixture = fixture(100);
    let names = Names { user: Some("ana".parse().unwrap()), ..Names::default() };
    let link = fixture.open_as(names, &[], Start::Head);
    let ask = || SubscribeCall { addressed: true, ..call("r1", granted(&[]), Since::Now) };
    let in_vain: Vec<_> = (0..3).map(|_| fixture.core.subscribe(&link, ask(), None, 2).unwrap().addressed).collect();
    assert_eq!(in_vain, [false, false, true]);
    fixture.hear(&link);
    assert!(!fixture.core.subscribe(&link, ask(), None, 2).unwrap().addressed);
}

#[test]
fn a_driver_that_polls_when_it_is_woken_receives_what_a_call_without_a_request_id_added() {
    let mut fixture = fixture(100);
    let link = fixture.open(&[], Start::Head);
    let woken = Arc::new(Count::default());
    woken.0.store(1, Ordering::Relaxed);
    let polled = |fixture: &Fixture| {
        let mut said = Vec::new();
        while woken.0.swap(0, Ordering::Relaxed) > 0 {
            link.waker.register(&futures_util::task::waker(woken.clone()));
            said.extend(fixture.said_at(&link, 0));
        }
        said
    };
    assert_eq!(polled(&fixture), ["connected @0"]);
    let call = SubscribeCall { request: None, ..call("r1", granted(&["a"]), Since::Now) };
    fixture.core.subscribe(&link, call, None, 100).unwrap();
    assert!(polled(&fixture).is_empty(), "nothing is confirmed");
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!(polled(&fixture), ["1 a @1"]);
}
