//! The life of a grant: credentials that expire, are refreshed, or cover less than before.

use super::*;

#[test]
fn a_stream_ends_with_its_credentials_and_carries_nothing_after() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    link.expire_at(Some(1_000));
    assert_eq!(fixture.said_at(&link, 998).len(), 1, "the greeting");
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!(fixture.said_at(&link, 999), ["1 a @1"]);
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!(fixture.said_at(&link, 1_000), ["closing expired"]);
    assert!(matches!(fixture.core.step(&link, MANY, 1_001), Step::End));
}

#[test]
fn a_quiet_stream_is_woken_at_its_end() {
    let fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    link.expire_at(Some(1_000));
    fixture.said_at(&link, 900);
    let woken = Arc::new(Count::default());
    link.waker.register(&futures_util::task::waker(woken.clone()));
    fixture.core.tick(999, 15_000);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    fixture.core.tick(1_000, 15_000);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}

#[test]
fn fresh_credentials_move_the_end_and_lose_nothing() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    link.expire_at(Some(1_000));
    fixture.said_at(&link, 900);
    fixture.publish(&["a"]);
    fixture.core.flush();
    link.expire_at(Some(5_000));
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!(fixture.said_at(&link, 1_500), ["1 a @1", "2 a @2"]);
    link.expire_at(None);
    assert!(fixture.said_at(&link, 9_000).is_empty());
}

#[test]
fn a_revoked_channel_is_reported_and_no_longer_received_nor_backfilled() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a", "b:*"], Start::Head);
    fixture.said_at(&link, 0);
    fixture.subscribe(&link, "r1", &["c", "d"], Since::Now);
    assert_eq!(fixture.core.channels(&link), patterns(&["a", "b:*", "c", "d"]));
    // The record is filed but not taken yet, and the user has lost the channel.
    fixture.publish(&["b:1", "c"]);
    fixture.core.flush();
    let mut asked = Channels { granted: patterns(&["a", "d"]), by_server: patterns(&["b:*"]) };
    let ungranted = fixture.refresh(&link, None, &asked);
    let expected = NotRefreshed::Ungranted(patterns(&["c"]));
    assert_eq!(ungranted, Err(expected), "the channel was requested after the others were checked");
    asked.by_server.extend(patterns(&["c"]));
    fixture.refresh(&link, None, &asked).unwrap();
    fixture.publish(&["b:2", "a", "c"]);
    fixture.core.flush();
    let said = fixture.said_at(&link, 0);
    assert_eq!(said, [r#"revoked ["b:*","c"] forbidden"#, "4 a @4", "subscribed r1 5"]);
    fixture.publish(&["c", "d"]);
    fixture.core.flush();
    assert_eq!(fixture.said_at(&link, 0), ["7 d @7"]);
    assert_eq!(fixture.core.channels(&link), patterns(&["a", "d"]));
}

#[test]
fn figures_are_told_without_the_lock_of_any_stream() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    fixture.hear(&link);
    fixture.publish(&["b", "a", "a"]);
    fixture.core.flush();
    let held = link.state.lock();
    let stats = fixture.core.stats();
    drop(held);
    assert_eq!((stats.connections, stats.connections_behind, stats.lag), (1, 1, 3));
    fixture.hear(&link);
    assert_eq!(fixture.core.stats().connections_behind, 0);
}

#[test]
fn a_stream_that_is_not_asked_for_what_is_due_is_forgotten_after_a_while_and_who_asks_is_not() {
    let mut fixture = fixture(100);
    let (idle, asked, stalled) =
        (fixture.open(&["b"], Start::Head), fixture.open(&["a"], Start::Head), fixture.open(&["a"], Start::Head));
    for link in [&idle, &asked, &stalled] {
        fixture.hear(link);
    }
    for now_ms in [1_000, 30_000, 60_999] {
        fixture.publish(&["a"]);
        fixture.core.flush();
        fixture.hear(&asked);
        assert_eq!(fixture.core.drop_stalled(now_ms, 60_000), 0, "{now_ms}");
    }
    assert_eq!(fixture.core.drop_stalled(61_000, 60_000), 1);
    assert_eq!(fixture.core.connections(), 2);
    assert_eq!(fixture.hear(&stalled), ["closing tooManyConnections"], "the driver may still poll");
    fixture.core.close(&stalled);
    assert_eq!(fixture.core.connections(), 2, "it is forgotten once");
}

#[test]
fn the_figures_are_had_without_the_lock_of_any_stream() {
    let fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    // Taking a stream's lock here would panic, by the order of locks.
    let _held = link.state.lock();
    assert_eq!(fixture.core.stats().connections, 1);
}
