//! Subscribe calls on a live stream, and what they ask of the past.

use super::*;

#[test]
fn a_subscription_without_a_past_starts_where_subscribed_says() {
    let mut house = house(100);
    let link = house.open(&[], Start::Head);
    house.publish(&["a", "a"]);
    house.subscribe(&link, "r1", &["a"], Since::Now);
    assert_eq!(house.hear(&link), ["connected @0", "subscribed r1 2"]);
    house.publish(&["a"]);
    assert_eq!(house.core.flush(), 1);
    assert_eq!(house.hear(&link), ["3 a @3"]);
}

#[test]
fn what_a_subscription_asks_of_the_past_comes_before_its_confirmation() {
    for window in [1, 100] {
        let mut house = house(window);
        let link = house.open(&["b"], Start::Head);
        house.publish(&["a", "a", "b", "a"]);
        house.core.flush();
        house.subscribe(&link, "r1", &["a"], Since::After(at(1)));
        let expected = ["connected @0", "3 b @3", "backfill r1 2 a", "backfill r1 4 a", "subscribed r1 4"];
        assert_eq!(house.hear(&link), expected, "window of {window}");
        house.publish(&["a"]);
        house.core.flush();
        assert_eq!(house.hear(&link), ["5 a @5"]);
    }
}

#[test]
fn a_past_that_is_written_in_small_batches_has_no_hole() {
    let mut house = house(100);
    house.publish(&["a"; 4]);
    let link = house.open(&[], Start::Head);
    house.subscribe(&link, "r1", &["a"], Since::After(at(0)));
    let said = house.drain(&link, 1);
    assert_eq!(
        said[1..],
        ["backfill r1 1 a", "backfill r1 2 a", "backfill r1 3 a", "backfill r1 4 a", "subscribed r1 4"]
    );
}

#[test]
fn a_past_that_is_trimmed_is_a_gap_on_those_channels_only() {
    let mut house = house(1);
    let link = house.open(&["b"], Start::Head);
    house.publish(&["a", "a", "a"]);
    house.core.flush();
    house.hear(&link);
    house.trimmed = 2;
    house.subscribe(&link, "r1", &["a"], Since::After(at(1)));
    assert_eq!(house.hear(&link), [r#"gap ["a"] trimmed"#, "backfill r1 3 a", "subscribed r1 3"]);
    house.subscribe(&link, "r2", &["c"], Since::Gap(GapReason::Diverged));
    assert_eq!(house.hear(&link), [r#"gap ["c"] diverged"#, "subscribed r2 3"]);
}

#[test]
fn another_log_is_told_once_and_covers_what_was_pending() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Head);
    house.publish(&["a"]);
    house.hear(&link);
    house.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    house.core.reset(Cursor { epoch: 2, seq: 5, tag: 9 }, GapReason::Epoch, AccessState::default());
    assert_eq!(house.hear(&link), ["gap null epoch @5", "subscribed r1 5"]);
}

#[test]
fn a_cursor_that_was_judged_in_another_log_is_not_taken_for_one_in_this() {
    let mut house = house(100);
    house.publish(&["a", "a"]);
    let live = house.open(&[], Start::Head);
    house.core.reset(Cursor { epoch: 2, seq: 5, tag: 9 }, GapReason::Epoch, AccessState::default());
    assert_eq!(house.hear(&live), ["connected @2", "gap null epoch @5"]);
    // Both were found good before the reset.
    let resumed = house.open(&["a"], resume(1));
    assert_eq!(house.hear(&resumed), ["connected", "gap null epoch @5"]);
    house.subscribe(&live, "r1", &["a"], Since::After(at(1)));
    assert_eq!(house.hear(&live), [r#"gap ["a"] epoch"#, "subscribed r1 5"]);
}

#[test]
fn an_unsubscribed_channel_is_silent_and_its_ancestors_go_on() {
    let mut house = house(100);
    let link = house.open(&["a:1", "a:*"], Start::Head);
    house.hear(&link);
    house.core.unsubscribe(&link, &patterns(&["a:*"]));
    house.publish(&["a:1", "a:2"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["1 a:1 @1"]);
    house.core.unsubscribe(&link, &patterns(&["a:1"]));
    house.publish(&["a:1"]);
    assert_eq!(house.core.flush(), 0);
}

#[test]
fn a_call_that_is_taken_back_before_its_confirmation_never_becomes_active() {
    let house = house(100);
    let link = house.open(&[], Start::Head);
    house.subscribe(&link, "r1", &["a"], Since::Now);
    house.core.unsubscribe(&link, &patterns(&["a"]));
    assert_eq!(house.hear(&link), ["connected @0"]);
}

#[test]
fn an_exclusion_hides_live_replayed_and_backfilled_records() {
    let mut house = house(1);
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
        house.append(hidden);
    }
    let one = house.open_as(tab("one"), &["a"], resume(0));
    let two = house.open_as(tab("two"), &["a"], resume(0));
    assert_eq!(house.hear(&one), ["connected @0"]);
    assert_eq!(house.hear(&two), ["connected @0", "1 a @1", "2 a @2", "3 a @3"]);
    house.subscribe(&one, "r1", &["a"], Since::After(at(0)));
    assert_eq!(house.hear(&one), ["subscribed r1 3"]);
}

#[test]
fn channels_beyond_the_limit_are_turned_away() {
    let house = house(100);
    let link = house.open(&["a"], Start::Head);
    let asked = call("r1", granted(&["b", "c"]), Since::Now);
    let beyond = house.core.subscribe(&link, asked, None, 2).unwrap().beyond;
    assert_eq!(beyond, patterns(&["c"]));
}

/// What is addressed to a user.
#[test]
fn addressed_events_of_the_past_come_as_backfill_from_the_log_and_the_window_and_commands_do_not() {
    let mut house = house(2);
    for to in ["ana", "bob", "ana"] {
        house.append(addressed(to));
    }
    house.append(orders::revoke("elsewhere"));
    house.append(addressed("ana"));
    let names = Names { user: Some("ana".parse().unwrap()), ..Names::default() };
    let link = house.open_as(names, &["b"], Start::Head);
    assert_eq!(house.hear(&link), ["connected @5"]);
    house.append(entry("b", "t", "1"));
    let asked = SubscribeCall { addressed: true, ..call("r1", granted(&["a"]), Since::After(at(1))) };
    assert_eq!(house.core.subscribe(&link, asked, None, 100), Ok(NotSubscribed::default()));
    house.append(addressed("ana"));
    assert_eq!(
        house.hear(&link),
        [
            "6 b @6",
            "7 label @7",
            "backfill r1 3 label",
            "backfill r1 5 label",
            "backfill r1 7 label",
            "subscribed r1 7"
        ]
    );
    house.append(addressed("ana"));
    house.core.flush();
    assert_eq!(house.hear(&link), ["8 label @8"]);
}

#[test]
fn a_call_about_addressed_events_outlives_its_channels() {
    let mut house = house(100);
    house.append(addressed("ana"));
    let names = Names { user: Some("ana".parse().unwrap()), ..Names::default() };
    let link = house.open_as(names, &[], Start::Head);
    house.hear(&link);
    let asked = SubscribeCall { addressed: true, ..call("r1", granted(&["a"]), Since::After(at(0))) };
    house.core.subscribe(&link, asked, None, 100).unwrap();
    house.core.unsubscribe(&link, &patterns(&["a"]));
    assert_eq!(house.hear(&link), ["backfill r1 1 label", "subscribed r1 1"]);
}

#[test]
fn unconfirmed_calls_about_addressed_events_are_bounded() {
    let house = house(100);
    let names = Names { user: Some("ana".parse().unwrap()), ..Names::default() };
    let link = house.open_as(names, &[], Start::Head);
    let ask = || SubscribeCall { addressed: true, ..call("r1", granted(&[]), Since::Now) };
    let in_vain: Vec<_> = (0..3).map(|_| house.core.subscribe(&link, ask(), None, 2).unwrap().addressed).collect();
    assert_eq!(in_vain, [false, false, true]);
    house.hear(&link);
    assert!(!house.core.subscribe(&link, ask(), None, 2).unwrap().addressed);
}
