//! Records published while a stream is open, how the stream ends, and what remains of it.

use super::*;

#[test]
fn a_record_wakes_the_streams_that_look_up_its_key_only() {
    let mut fixture = fixture(100);
    let a = fixture.open(&["a"], Start::Head);
    let b = fixture.open(&["b"], Start::Head);
    assert_eq!(fixture.hear(&a), ["connected @0"]);
    assert_eq!(fixture.hear(&b), ["connected @0"]);
    fixture.publish(&["a", "a"]);
    assert_eq!(fixture.core.flush(), 1);
    assert_eq!(fixture.hear(&a), ["1 a @1", "2 a @2"]);
    assert!(fixture.hear(&b).is_empty());
}

#[test]
fn records_flushed_together_are_one_piece_and_the_same_for_all() {
    let mut fixture = fixture(100);
    let (a, b) = (fixture.open(&["a"], Start::Head), fixture.open(&["a"], Start::Head));
    fixture.hear(&a);
    fixture.hear(&b);
    fixture.publish(&["a", "a"]);
    fixture.core.flush();
    let pieces = [&a, &b].map(|link| match fixture.core.step(link, MANY, 0) {
        Step::Write(pieces) => pieces,
        step => panic!("{step:?}"),
    });
    assert_eq!(pieces.each_ref().map(Vec::len), [1, 1]);
    assert_eq!(pieces[0][0].as_ptr(), pieces[1][0].as_ptr(), "nobody copied it");
    assert_eq!(shorts(&pieces[0]), ["1 a @1", "2 a @2"]);
}

#[test]
fn a_record_that_several_keys_match_is_sent_once() {
    let mut fixture = fixture(100);
    let ana = Names { user: Some(UserId::new("ana").unwrap()), ..Names::default() };
    let link = fixture.open_as(ana, &["a:1", "a:*", "*"], Start::Head);
    fixture.publish(&["a:1", "a:*"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["connected @0", "1 a:1 @1", "2 a:* @2"]);
}

#[test]
fn a_user_addressed_record_reaches_only_that_user() {
    let mut fixture = fixture(100);
    let named = |user: &str| Names { user: Some(UserId::new(user).unwrap()), ..Names::default() };
    let ana = fixture.open_as(named("ana"), &[], Start::Head);
    let bob = fixture.open_as(named("bob"), &["*"], Start::Head);
    assert_eq!([fixture.hear(&ana), fixture.hear(&bob)], [["connected @0"], ["connected @0"]]);
    let mut addressed = entry("note", "t", "1");
    addressed.audience = Audience::Users(vec![UserId::new("ana").unwrap()]);
    fixture.append(addressed);
    assert_eq!(fixture.core.flush(), 1);
    assert_eq!(fixture.hear(&ana), ["1 note @1"]);
    assert!(fixture.hear(&bob).is_empty());
}

#[test]
fn a_quiet_stream_stands_at_the_nodes_head() {
    let mut fixture = fixture(2);
    let link = fixture.open(&["quiet"], Start::Head);
    fixture.hear(&link);
    fixture.publish(&["loud"; 10]);
    fixture.core.flush();
    fixture.core.tick(20_000, 15_000);
    // Far more records passed than the window holds, yet no page is read and nothing is missing.
    assert_eq!(fixture.hear(&link), ["heartbeat @10"]);
}

#[test]
fn a_heartbeat_never_overtakes_what_is_still_to_be_written() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    fixture.hear(&link);
    fixture.publish(&["a", "b"]);
    fixture.core.tick(20_000, 15_000);
    // The record is not flushed yet: the connection was woken only for the heartbeat.
    assert_eq!(fixture.hear(&link), ["1 a @1"]);
}

#[test]
fn a_batch_stops_at_its_size_and_goes_on_where_it_stopped() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], resume(0));
    fixture.publish(&["a"; 5]);
    assert_eq!(fixture.drain(&link, 1), ["connected @0", "1 a @1", "2 a @2", "3 a @3", "4 a @4", "5 a @5"]);
}

#[test]
fn a_closing_stream_says_so_and_ends() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Head);
    fixture.publish(&["a"]);
    fixture.core.close_all(|_| Closing { reason: ClosingReason::Drain, retry_ms: 1 });
    assert_eq!(fixture.hear(&link), ["connected @0", "closing drain"]);
    assert!(matches!(fixture.core.step(&link, MANY, 0), Step::End));
}

#[test]
fn a_closed_stream_leaves_nothing_behind() {
    let mut fixture = fixture(100);
    let ana = Names { user: Some(UserId::new("ana").unwrap()), ..Names::default() };
    let link = fixture.open_as(
        ana,
        &["a:b", "c:*"],
        Start::Resume { cursor: at(9), late: vec![at(9)], lineage: Lineage::default() },
    );
    assert_eq!((fixture.core.connections(), fixture.core.stats().users), (1, 1));
    fixture.core.close(&link);
    assert_eq!((fixture.core.connections(), fixture.core.stats().users), (0, 0));
    assert!(fixture.core.registry.lock().routes.is_empty() && fixture.core.late.lock().is_empty());
    fixture.publish(&["a:b"]);
    assert_eq!(fixture.core.flush(), 0);
}

#[test]
fn a_cursor_is_judged_down_to_the_record_before_the_first() {
    let mut fixture = fixture(2);
    fixture.publish(&["a"; 5]);
    assert_eq!(fixture.core.check_cursor(at(5)), Verdict::Good);
    assert_eq!(fixture.core.check_cursor(at(3)), Verdict::Good, "the record before the window's first");
    assert_eq!(fixture.core.check_cursor(at(2)), Verdict::AskEngine);
    assert_eq!(fixture.core.check_cursor(Cursor { tag: 1, ..at(4) }), Verdict::Gap(GapReason::Diverged));
    assert_eq!(fixture.core.check_cursor(Cursor { epoch: 2, ..at(4) }), Verdict::Gap(GapReason::Epoch));
    let by_engine = |seq: u64, location| fixture.core.check_by_engine(at(seq), location);
    assert_eq!(by_engine(2, Location::Held), Verdict::Good);
    assert_eq!(
        by_engine(1, Location::Trimmed),
        Verdict::Good,
        "trimmed records are reported where the stream reads them"
    );
    assert_eq!(by_engine(1, Location::Forgotten), Verdict::Gap(GapReason::Trimmed));
    assert_eq!(by_engine(3, Location::Diverged), Verdict::Gap(GapReason::Diverged));
    assert_eq!(by_engine(7, Location::Held), Verdict::Late);
}

#[test]
fn a_call_about_an_ended_stream_touches_no_other() {
    let mut fixture = fixture(100);
    let gone = fixture.open(&["a"], Start::Head);
    fixture.hear(&gone);
    fixture.core.close(&gone);
    // The new stream reuses the slot of the old one.
    let next = fixture.open(&["a"], Start::Head);
    fixture.hear(&next);
    fixture.core.unsubscribe(&gone, &patterns(&["a"]));
    fixture.refresh(&gone, None, &granted(&["a"])).unwrap();
    fixture.publish(&["a"]);
    assert_eq!(fixture.core.flush(), 1, "it is woken");
    assert_eq!(fixture.hear(&next).len(), 1);
}
