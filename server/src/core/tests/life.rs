//! The life of a grant: credentials that end, are renewed, or cover less.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::task::ArcWake;

use super::*;

/// How often a task was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl ArcWake for Count {
    fn wake_by_ref(count: &Arc<Self>) {
        count.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_stream_ends_with_its_credentials_and_carries_nothing_after() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Head);
    link.expire_at(Some(1_000));
    assert_eq!(house.said_at(&link, 998).len(), 1, "the greeting");
    house.publish(&["a"]);
    house.core.flush();
    assert_eq!(house.said_at(&link, 999), ["1 a @1"]);
    house.publish(&["a"]);
    house.core.flush();
    assert_eq!(house.said_at(&link, 1_000), ["closing expired"]);
    assert!(matches!(house.core.step(&link, MANY, 1_001), Step::End));
}

#[test]
fn a_quiet_stream_is_woken_at_its_end() {
    let house = house(100);
    let link = house.open(&["a"], Start::Head);
    link.expire_at(Some(1_000));
    house.said_at(&link, 900);
    let woken = Arc::new(Count::default());
    link.waker.register(&futures_util::task::waker(woken.clone()));
    house.core.tick(999, 15_000);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    house.core.tick(1_000, 15_000);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}

#[test]
fn fresh_credentials_move_the_end_and_lose_nothing() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Head);
    link.expire_at(Some(1_000));
    house.said_at(&link, 900);
    house.publish(&["a"]);
    house.core.flush();
    link.expire_at(Some(5_000));
    house.publish(&["a"]);
    house.core.flush();
    assert_eq!(house.said_at(&link, 1_500), ["1 a @1", "2 a @2"]);
    link.expire_at(None);
    assert!(house.said_at(&link, 9_000).is_empty());
}

#[test]
fn what_is_taken_away_is_told_and_heard_no_more_not_even_what_was_pending() {
    let mut house = house(100);
    let link = house.open(&["a", "b:*"], Start::Head);
    house.said_at(&link, 0);
    house.subscribe(&link, "r1", &["c", "d"], Since::Now);
    assert_eq!(house.core.channels(&link), patterns(&["a", "b:*", "c", "d"]));
    // Filed, but not taken yet: it is not his any more.
    house.publish(&["b:1", "c"]);
    house.core.flush();
    let mut asked = Channels { granted: patterns(&["a", "d"]), by_server: patterns(&["b:*"]) };
    let ungranted = house.refresh(&link, None, &asked);
    let expected = NotRefreshed::Ungranted(patterns(&["c"]));
    assert_eq!(ungranted, Err(expected), "it was asked for since the others were judged");
    asked.by_server.extend(patterns(&["c"]));
    house.refresh(&link, None, &asked).unwrap();
    house.publish(&["b:2", "a", "c"]);
    house.core.flush();
    let said = house.said_at(&link, 0);
    assert_eq!(said, [r#"revoked ["b:*","c"] forbidden"#, "4 a @4", "subscribed r1 5"]);
    house.publish(&["c", "d"]);
    house.core.flush();
    assert_eq!(house.said_at(&link, 0), ["7 d @7"]);
    assert_eq!(house.core.channels(&link), patterns(&["a", "d"]));
}

#[test]
fn figures_are_told_without_the_lock_of_any_stream() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Head);
    house.hear(&link);
    house.publish(&["b", "a", "a"]);
    house.core.flush();
    let held = link.state.lock();
    let stats = house.core.stats();
    drop(held);
    assert_eq!((stats.connections, stats.connections_behind, stats.lag), (1, 1, 3));
    house.hear(&link);
    assert_eq!(house.core.stats().connections_behind, 0);
}

#[test]
fn a_stream_that_is_not_asked_for_what_is_due_is_forgotten_after_a_while_and_who_asks_is_not() {
    let mut house = house(100);
    let (idle, asked, stalled) =
        (house.open(&["b"], Start::Head), house.open(&["a"], Start::Head), house.open(&["a"], Start::Head));
    for link in [&idle, &asked, &stalled] {
        house.hear(link);
    }
    for now_ms in [1_000, 30_000, 60_999] {
        house.publish(&["a"]);
        house.core.flush();
        house.hear(&asked);
        assert_eq!(house.core.drop_stalled(now_ms, 60_000), 0, "{now_ms}");
    }
    assert_eq!(house.core.drop_stalled(61_000, 60_000), 1);
    assert_eq!(house.core.connections(), 2);
    assert_eq!(house.hear(&stalled), ["closing tooManyConnections"], "should its driver ask after all");
    house.core.close(&stalled);
    assert_eq!(house.core.connections(), 2, "it is forgotten once");
}

#[test]
fn the_figures_are_had_without_the_lock_of_any_stream() {
    let house = house(100);
    let link = house.open(&["a"], Start::Head);
    // Whoever took a stream's lock for them would panic here, by the order of locks.
    let _held = link.state.lock();
    assert_eq!(house.core.stats().connections, 1);
}
