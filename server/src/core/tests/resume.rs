//! Where a stream of a returning client continues: after its cursor, from the log, or after missing records.

use super::*;

#[test]
fn a_resumed_stream_goes_on_after_its_cursor() {
    let mut fixture = fixture(100);
    fixture.publish(&["a", "a", "b", "a"]);
    let link = fixture.open(&["a"], resume(1));
    assert_eq!(fixture.hear(&link), ["connected @1", "2 a @2", "4 a @4"]);
}

#[test]
fn a_refused_cursor_is_kept_until_the_gap_was_told() {
    let mut fixture = fixture(100);
    fixture.publish(&["a", "a"]);
    let link = fixture.open(&["a"], Start::Gap(GapReason::Epoch));
    // If `connected` had an id, a client that was cut off right after it would resume there and never learn of the gap.
    assert_eq!(fixture.hear(&link), ["connected", "gap null epoch @2"]);
}

#[test]
fn a_stream_ahead_of_its_node_receives_nothing_twice() {
    let mut fixture = fixture(100);
    fixture.publish(&["a"]);
    let link = fixture.open(&["a"], Start::Resume { cursor: at(3), late: vec![at(3)], lineage: Lineage::default() });
    fixture.publish(&["a", "a", "a"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["connected @3", "4 a @4"]);
}

#[test]
fn a_late_tag_that_does_not_match_is_told_before_anything_after_it() {
    let mut fixture = fixture(100);
    let strange = Cursor { tag: 7, ..at(2) };
    let link =
        fixture.open(&["a"], Start::Resume { cursor: strange, late: vec![strange], lineage: Lineage::default() });
    assert_eq!(fixture.hear(&link), ["connected @2"]);
    fixture.publish(&["a", "a", "a"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["gap null diverged @3"]);
}

#[test]
fn a_late_since_is_judged_when_the_node_gets_there_on_those_channels_only() {
    // The window may also be too small to hold the record until then.
    for window in [1, 100] {
        let mut fixture = fixture(window);
        let link = fixture.open(&["b"], Start::Head);
        let strange = Cursor { tag: 7, ..at(2) };
        fixture.subscribe(&link, "r1", &["a"], Since::After(strange));
        fixture.subscribe(&link, "r2", &["c"], Since::After(at(2)));
        assert_eq!(fixture.hear(&link), ["connected @0"], "window of {window}");
        fixture.publish(&["a", "b", "c"]);
        fixture.core.flush();
        let expected = ["2 b @2", r#"gap ["a"] diverged"#, "subscribed r1 3", "backfill r2 3 c", "subscribed r2 3"];
        assert_eq!(fixture.hear(&link), expected, "window of {window}");
    }
}

#[test]
fn a_past_that_ends_ahead_of_the_node_is_whole() {
    let mut fixture = fixture(100);
    let link = fixture.open(&["a"], Start::Resume { cursor: at(2), late: vec![at(2)], lineage: Lineage::default() });
    fixture.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    assert_eq!(fixture.hear(&link), ["connected @2"]);
    fixture.publish(&["b", "b"]);
    assert_eq!(fixture.hear(&link), ["backfill r1 1 b", "backfill r1 2 b", "subscribed r1 2"]);
}

#[test]
fn a_batch_that_passes_a_late_tag_and_leaves_the_window_is_no_divergence() {
    let mut fixture = fixture(1);
    let link = fixture.open(&["a"], Start::Resume { cursor: at(1), late: vec![at(1)], lineage: Lineage::default() });
    fixture.hear(&link);
    let records: Vec<_> =
        (1..=3).map(|seq| Record { seq, tag: at(seq).tag, entry: Arc::new(entry("a", "t", "1")) }).collect();
    fixture.log = records;
    fixture.apply_from(0);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["2 a @2", "3 a @3"]);
}

#[test]
fn a_page_ends_where_the_window_begins() {
    let mut fixture = fixture(1);
    fixture.publish(&["a", "a"]);
    // The engine has one more record, which this node has not applied.
    fixture.log.push(Record { seq: 3, tag: at(3).tag, entry: Arc::new(entry("a", "t", "1")) });
    let link = fixture.open(&["a"], resume(0));
    assert_eq!(fixture.hear(&link), ["connected @0", "1 a @1", "2 a @2"]);
    // The stream is not served from the window either, because another log may have taken its place there.
    fixture.log[1] = Record { tag: 7, entry: Arc::new(entry("b", "t", "1")), ..fixture.log[1].clone() };
    fixture.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    assert_eq!(fixture.hear(&link), ["subscribed r1 2"]);
}

#[test]
fn records_of_a_page_that_the_node_has_not_applied_are_not_written() {
    let mut fixture = fixture(1);
    fixture.publish(&["a"; 3]);
    let link = fixture.open(&["a"], resume(0));
    let beyond = Record { seq: 4, tag: 7, entry: Arc::new(entry("a", "t", "1")) };
    let page: Vec<_> = fixture.log.iter().cloned().chain([beyond]).collect();
    assert!(matches!(fixture.core.step(&link, MANY, 0), Step::Write(_)));
    assert!(matches!(fixture.core.step(&link, MANY, 0), Step::Read { .. }));
    fixture.core.page(&link, at(0), Ok(Arc::new(Segment::read(at(0), &page))));
    assert_eq!(fixture.said_at(&link, 0), ["1 a @1", "2 a @2", "3 a @3"]);
    // The log lost records that the node had not applied, and continued differently. The stream had received none of
    // them, so there is no gap.
    fixture.publish(&["a", "a"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["4 a @4", "5 a @5"]);
}

#[test]
fn a_page_of_another_log_than_the_windows_is_a_gap() {
    let mut fixture = fixture(1);
    fixture.publish(&["a", "a"]);
    fixture.log[0].tag = 7;
    let link = fixture.open(&["a"], resume(0));
    assert_eq!(fixture.hear(&link), ["connected @0", "gap null diverged @2"]);
    fixture.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    assert_eq!(fixture.hear(&link), [r#"gap ["b"] diverged"#, "subscribed r1 2"]);
}

#[test]
fn a_slow_stream_catches_up_from_the_log_and_then_from_the_window() {
    let mut fixture = fixture(2);
    let link = fixture.open(&["a"], Start::Head);
    fixture.publish(&["a", "b", "a", "a", "b", "a"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["connected @0", "1 a @1", "3 a @3", "4 a @4", "6 a @6"]);
}

#[test]
fn a_slow_stream_gets_a_gap_for_trimmed_events_and_receives_the_rest() {
    let mut fixture = fixture(2);
    let ana = Names { user: Some(UserId::new("ana").unwrap()), ..Names::default() };
    let link = fixture.open_as(ana, &["a", "b", "c:*"], Start::Head);
    fixture.hear(&link);
    fixture.publish(&["a", "a", "c:1", "b", "a", "a"]);
    fixture.trimmed = 3;
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), [r#"gap ["a","c:*"] trimmed"#, "4 b @4", "5 a @5", "6 a @6"]);
}

#[test]
fn a_stream_of_which_nothing_was_trimmed_is_told_no_gap() {
    let mut fixture = fixture(2);
    fixture.publish(&["loud"; 9]);
    fixture.publish(&["a"]);
    fixture.trimmed = 8;
    let link = fixture.open(&["a"], resume(1));
    assert_eq!(fixture.hear(&link), ["connected @1", "10 a @10"]);
}

#[test]
fn a_stream_is_told_that_addressed_events_were_trimmed_beside_its_channels() {
    let mut fixture = fixture(1);
    fixture.append(addressed("ana"));
    fixture.publish(&["a", "b", "b", "b"]);
    fixture.trimmed = 3;
    let open = |user: &str| {
        let names = Names { user: Some(UserId::new(user).unwrap()), ..Names::default() };
        fixture.open_as(names, &["b"], resume(0))
    };
    assert_eq!(fixture.hear(&open("bob")), ["connected @0", r#"gap ["b"] trimmed"#, "4 b @4", "5 b @5"]);
    assert_eq!(fixture.hear(&open("ana")), ["connected @0", r#"gap ["b"] addressed trimmed"#, "4 b @4", "5 b @5"]);
}

#[test]
fn a_stream_whose_place_the_log_has_forgotten_is_told_a_gap_on_all_of_it() {
    let mut fixture = fixture(2);
    let link = fixture.open(&["a"], Start::Head);
    fixture.hear(&link);
    fixture.publish(&["b"; 6]);
    fixture.forgotten = 3;
    fixture.core.skip_to(at(6), AccessState::default(), &HashSet::default());
    assert_eq!(fixture.hear(&link), ["gap null trimmed @6"]);
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!(fixture.hear(&link), ["7 a @7"]);
}

#[test]
fn damage_is_reported_between_the_records_around_it() {
    let keys = entry("a", "t", "1").routing_keys();
    for (known, others) in [(Some(keys.into_iter().collect()), vec![]), (None, vec![r#"gap ["b"] damaged"#])] {
        let mut fixture = fixture(1);
        fixture.publish(&["a", "a", "a", "a", "b"]);
        fixture.damaged = Some((2, known.clone()));
        let concerned = r#"gap ["a"] damaged"#;
        let link = fixture.open(&["a"], resume(0));
        assert_eq!(fixture.hear(&link), ["connected @0", "1 a @1", concerned, "3 a @3", "4 a @4"]);
        let other = fixture.open(&["b"], resume(0));
        assert_eq!(fixture.hear(&other), [&["connected @0"], &others[..], &["5 b @5"]].concat());
        let later = fixture.open(&["a"], resume(2));
        assert_eq!(
            fixture.hear(&later),
            ["connected @2", "3 a @3", "4 a @4"],
            "a stream beyond the skipped part misses nothing"
        );
    }
}

#[test]
fn a_past_with_a_damaged_part_is_a_gap_to_that_call_alone() {
    let mut fixture = fixture(1);
    fixture.publish(&["a", "a", "a"]);
    fixture.damaged = Some((2, None));
    let link = fixture.open(&["b"], Start::Head);
    fixture.subscribe(&link, "r1", &["a"], Since::After(at(0)));
    let expected = ["connected @3", "backfill r1 1 a", r#"gap ["a"] damaged"#, "backfill r1 3 a", "subscribed r1 3"];
    assert_eq!(fixture.hear(&link), expected);
}

#[test]
fn a_node_that_skips_a_part_of_the_log_leaves_each_stream_to_find_out_what_it_missed() {
    let mut fixture = fixture(100);
    let (a, b) = (fixture.open(&["a"], Start::Head), fixture.open(&["b"], Start::Head));
    fixture.hear(&a);
    fixture.hear(&b);
    // The log continued with these records, and trimmed the first of them before the node could read them.
    for channel in ["a", "b", "c", "a"] {
        let place = at(fixture.log.len() as u64 + 1);
        fixture.log.push(Record { seq: place.seq, tag: place.tag, entry: Arc::new(entry(channel, "t", "1")) });
    }
    fixture.trimmed = 1;
    fixture.core.skip_to(at(3), AccessState::default(), &HashSet::default());
    fixture.apply_from(3);
    fixture.core.flush();
    assert_eq!(fixture.hear(&a), [r#"gap ["a"] trimmed"#, "4 a @4"]);
    assert_eq!(fixture.hear(&b), ["2 b @2"]);
}

#[test]
fn a_tail_that_does_not_go_on_where_the_window_ends_is_refused() {
    let mut fixture = fixture(100);
    fixture.publish(&["a"]);
    let record = |seq: u64| Record { seq, tag: at(seq).tag, entry: Arc::new(entry("a", "t", "1")) };
    let refused = |after: Cursor, records: Vec<Record>| {
        fixture.core.apply(&Batch { after, records }).unwrap_err();
        assert_eq!(fixture.core.head(), at(1), "nothing was taken");
    };
    refused(at(2), vec![record(3)]);
    refused(Cursor { tag: 7, ..at(1) }, vec![record(2)]);
    refused(Cursor { epoch: 2, ..at(1) }, vec![record(2)]);
    refused(at(1), vec![record(2), record(4)]);
    refused(at(1), vec![record(1)]);
    fixture.core.apply(&Batch { after: at(1), records: vec![record(2)] }).unwrap();
}

#[test]
fn a_stream_that_waits_for_the_engine_still_sends_heartbeats_and_closing() {
    let mut fixture = fixture(1);
    fixture.publish(&["a", "a", "a"]);
    let link = fixture.open(&["a"], resume(0));
    let said = |fixture: &Fixture| match fixture.core.step(&link, MANY, 20_000) {
        Step::Write(frames) => shorts(&frames),
        Step::Read { .. } => vec!["read".to_owned()],
        step => panic!("{step:?}"),
    };
    assert_eq!([said(&fixture), said(&fixture)], [["connected @0"], ["read"]]);
    fixture.core.tick(40_000, 15_000);
    assert_eq!([said(&fixture), said(&fixture)], [["heartbeat @0"], ["read"]]);
    fixture.core.close_all(|_| Closing { reason: ClosingReason::Drain, retry_ms: 5 });
    assert_eq!(said(&fixture), ["closing drain"]);
}

#[test]
fn a_stream_whose_place_the_log_has_lost_before_the_node_got_there_is_told_at_once() {
    let mut fixture = fixture(100);
    let late = fixture.open(&["a"], Start::Resume { cursor: at(9), late: vec![at(9)], lineage: Lineage::default() });
    let asking = fixture.open(&["b"], Start::Head);
    fixture.subscribe(&asking, "r1", &["a"], Since::After(at(8)));
    fixture.subscribe(&asking, "r2", &["c"], Since::Now);
    assert_eq!(
        (fixture.hear(&late), fixture.hear(&asking)),
        (vec!["connected @9".into()], vec!["connected @0".into()])
    );
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert!(fixture.hear(&late).is_empty() && fixture.hear(&asking).is_empty());
    fixture.core.lose(&HashSet::from([at(9), at(8)]));
    assert_eq!(fixture.hear(&late), ["gap null diverged @1"]);
    assert_eq!(fixture.hear(&asking), [r#"gap ["a"] diverged"#, "subscribed r1 1", "subscribed r2 1"]);
    fixture.publish(&["a"]);
    fixture.core.flush();
    assert_eq!((fixture.hear(&late), fixture.hear(&asking)), (vec!["2 a @2".into()], vec!["2 a @2".into()]));
    assert!(fixture.core.late.lock().is_empty());
}

#[test]
fn a_call_waits_once_for_the_node_and_not_at_all_on_a_closed_stream() {
    let fixture = fixture(100);
    let link = fixture.open(&[], Start::Head);
    for request in ["r1", "r2"] {
        fixture.subscribe(&link, request, &["a"], Since::After(at(8)));
        fixture.core.unsubscribe(&link, &patterns(&["a"]));
    }
    assert_eq!(fixture.core.late.lock()[&8].len(), 1);
    fixture.core.close(&link);
    fixture.subscribe(&link, "r3", &["a"], Since::After(at(8)));
    assert!(fixture.core.late.lock().is_empty());
}
