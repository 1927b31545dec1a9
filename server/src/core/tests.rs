//! The core without a runtime: a log in a `Vec`, steps asked for by hand, frames written down in short.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::Value;
use tidings_protocol::{
    ConnectionId, Cursor, Pattern, RequestId, SessionId, UserId,
    frame::{Closing, ClosingReason, GapReason},
    sse::{Decoder, Message},
};

use super::{
    Backfill, Core, Link, NotRefreshed, Opening, Refresh, ShutOut, Start, SubscribeCall, Verdict,
    subscriptions::NotSubscribed,
};
use crate::{
    access::{AccessState, Channels, Issued},
    connection::{Concern, Fetched, Hole, Names, Since, Skip, Step},
    engine::{Batch, Location, RoutingKey},
    record::{Audience, Entry, Record},
    segment::Segment,
    testing::entry,
    window::{Lineage, WindowBounds},
};

const MANY: usize = 1 << 20;

/// A core, and all records that its log ever held.
struct House {
    core: Core,
    log: Vec<Record>,
    /// Records up to here are trimmed from the log.
    trimmed: u64,
    /// Of records before this one nothing is known any more.
    forgotten: u64,
    /// One record is damaged, which had these keys, if that is known.
    damaged: Option<(u64, Option<HashSet<RoutingKey>>)>,
}

fn at(seq: u64) -> Cursor {
    Cursor { epoch: 1, seq, tag: if seq == 0 { 0 } else { u32::try_from(seq).unwrap() + 1_000 } }
}

fn house(window_records: usize) -> House {
    let bounds = WindowBounds { records: window_records, bytes: usize::MAX, age_ms: u64::MAX };
    let core = Core::new(at(0), bounds, AccessState::default());
    House { core, log: Vec::new(), trimmed: 0, forgotten: 0, damaged: None }
}

impl House {
    fn append(&mut self, entry: Entry) {
        let place = at(self.log.len() as u64 + 1);
        self.log.push(Record { seq: place.seq, tag: place.tag, entry: Arc::new(entry) });
        self.apply_from(self.log.len() - 1);
    }

    /// Applies what the log holds from this index on.
    fn apply_from(&self, index: usize) {
        let batch = Batch { after: at(index as u64), records: self.log[index..].to_vec() };
        self.core.apply(&batch).unwrap();
    }

    fn publish(&mut self, channels: &[&str]) {
        for channel in channels {
            self.append(entry(channel, "t", "1"));
        }
    }

    fn open(&self, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_as(Names::default(), channels, start)
    }

    fn open_as(&self, names: Names, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_with(names, None, channels, start)
    }

    fn open_with(&self, names: Names, issued: Issued, channels: &[&str], start: Start) -> Arc<Link> {
        self.open_asking(names, issued, granted(channels), start)
    }

    fn open_asking(&self, names: Names, issued: Issued, channels: Channels, start: Start) -> Arc<Link> {
        let id = ConnectionId::new(format!("c{}", fastrand::u64(..))).unwrap();
        let opening = Opening { id, names, channels, limit: 100, issued, start, permit: None, is_bare: false };
        self.core.open(opening, 0, |greeting| {
            let id = greeting.id.map(|position| format!("id: {position}\n")).unwrap_or_default();
            let refused = serde_json::json!({"rejected": greeting.refused});
            Bytes::from(format!("{id}event: connected\ndata: {refused}\n\n"))
        })
    }

    /// What the connection has to say at this time, when nothing of it is in the log only.
    fn said_at(&self, link: &Link, now_ms: u64) -> Vec<String> {
        let mut said = Vec::new();
        while let Step::Write(frames) = self.core.step(link, 1 << 20, now_ms) {
            said.extend(shorts(&frames));
        }
        said
    }

    fn subscribe(&self, link: &Arc<Link>, request: &str, channels: &[&str], since: Since) {
        let not = self.core.subscribe(link, call(request, granted(channels), since), None, 100);
        assert_eq!(not, Ok(NotSubscribed::default()));
    }

    fn refresh(&self, link: &Link, issued: Issued, channels: &Channels) -> Result<(), NotRefreshed> {
        self.core.refresh(link, Refresh { issued, expires_ms: None, channels, may_watch: |_: &_| true })
    }

    /// Everything that the connection has to say, with pages served from the log.
    fn drain(&self, link: &Link, max_bytes: usize) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            match self.core.step(link, max_bytes, 0) {
                Step::Write(frames) => said.extend(shorts(&frames)),
                Step::Read { after } => self.core.page(link, after, self.fetch(link, after)),
                Step::Idle | Step::End => return said,
            }
        }
    }

    fn hear(&self, link: &Link) -> Vec<String> {
        self.drain(link, MANY)
    }

    /// What the log holds after a position, two records at a time.
    fn fetch(&self, link: &Link, after: Cursor) -> Fetched {
        if after.seq < self.forgotten {
            return Err(Hole::Gap(GapReason::Trimmed));
        }
        if after.seq < self.trimmed {
            let mut last = HashMap::from_iter(self.core.routing_keys(link).into_iter().map(|key| (key, 0)));
            for record in self.log.iter().filter(|record| record.seq <= self.trimmed) {
                for key in record.entry.routing_keys() {
                    last.entry(key).and_modify(|last| *last = record.seq);
                }
            }
            let concern = Concern::Moved(after.seq, last);
            return Err(Hole::Skip(Skip { to: at(self.trimmed), reason: GapReason::Trimmed, concern }));
        }
        if let Some((through, keys)) = &self.damaged
            && after.seq + 1 == *through
        {
            let concern = keys.clone().map_or(Concern::All, Concern::Keys);
            return Err(Hole::Skip(Skip { to: at(*through), reason: GapReason::Damaged, concern }));
        }
        let held = |record: &&Record| record.seq > after.seq;
        let records: Vec<_> = self.log.iter().filter(held).take(2).cloned().collect();
        let damaged = self.damaged.as_ref().map(|(seq, _)| *seq).filter(|seq| *seq > after.seq);
        let up_to = damaged.unwrap_or(u64::MAX);
        Ok(Arc::new(Segment::read(after, &records[..records.partition_point(|record| record.seq < up_to)])))
    }
}

fn patterns(channels: &[&str]) -> Vec<Pattern> {
    channels.iter().map(|channel| channel.parse().unwrap()).collect()
}

fn granted(channels: &[&str]) -> Channels {
    Channels { granted: patterns(channels), by_server: Vec::new() }
}

fn call(request: &str, channels: Channels, since: Since) -> SubscribeCall {
    SubscribeCall {
        request: Some(RequestId::new(request).unwrap()),
        channels,
        addressed: false,
        backfill: backfill(since),
    }
}

/// What no grant covers, and is asked for all the same.
fn ungranted(channels: &[&str]) -> Channels {
    Channels { granted: Vec::new(), by_server: patterns(channels) }
}

/// What each frame says, in pieces however large.
fn shorts(pieces: &[Bytes]) -> Vec<String> {
    let text = String::from_utf8(pieces.concat()).unwrap();
    text.split_inclusive("\n\n").map(|frame| short(frame.as_bytes())).collect()
}

/// A frame in short: its name unless it is an event, what it is about, and where its id stands.
fn short(frame: &[u8]) -> String {
    let mut said = Vec::new();
    let mut decoder = Decoder::new();
    let mut messages = Vec::new();
    let own = |text: &str| text.to_owned();
    let read = |message: Message<'_>| {
        messages.push((own(message.event), own(message.data), own(message.last_event_id)));
    };
    decoder.push(frame, read).unwrap();
    for (event, data, id) in messages {
        let data: Value = serde_json::from_str(&data).unwrap();
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let seq = |text: &str| text.parse::<Cursor>().map(|cursor| cursor.seq).unwrap_or_default();
        said.push(match event.as_str() {
            "message" => format!("{} {}", seq(&id), text("channel")),
            "backfill" => format!("backfill {} {} {}", text("requestId"), seq(&text("cursor")), text("channel")),
            "subscribed" => format!("subscribed {} {}", text("requestId"), seq(&text("cursor"))),
            "gap" => {
                let addressed = if data["addressed"] == true { " addressed" } else { "" };
                format!("gap {}{addressed} {}", data["channels"], text("reason"))
            }
            "closing" => format!("closing {}", text("reason")),
            "revoked" => format!("revoked {} {}", data["channels"], text("code")),
            "connected" if data["rejected"][0].is_string() => format!("connected without {}", data["rejected"]),
            name => name.to_owned(),
        });
    }
    if let Ok(id) = decoder.last_event_id().parse::<Cursor>() {
        said.push(format!("@{}", id.seq));
    }
    said.join(" ")
}

mod access;
mod life;
mod orders;

fn backfill(since: Since) -> Backfill {
    Backfill { since, lineage: Lineage::default() }
}

fn resume(seq: u64) -> Start {
    Start::Resume { cursor: at(seq), late: Vec::new(), lineage: Lineage::default() }
}

#[test]
fn a_record_reaches_those_who_look_it_up_and_wakes_nobody_else() {
    let mut house = house(100);
    let a = house.open(&["a"], Start::Head);
    let b = house.open(&["b"], Start::Head);
    assert_eq!(house.hear(&a), ["connected @0"]);
    assert_eq!(house.hear(&b), ["connected @0"]);
    house.publish(&["a", "a"]);
    assert_eq!(house.core.flush(), 1);
    assert_eq!(house.hear(&a), ["1 a @1", "2 a @2"]);
    assert!(house.hear(&b).is_empty());
}

#[test]
fn records_flushed_together_are_one_piece_and_the_same_for_all() {
    let mut house = house(100);
    let (a, b) = (house.open(&["a"], Start::Head), house.open(&["a"], Start::Head));
    house.hear(&a);
    house.hear(&b);
    house.publish(&["a", "a"]);
    house.core.flush();
    let pieces = [&a, &b].map(|link| match house.core.step(link, MANY, 0) {
        Step::Write(pieces) => pieces,
        step => panic!("{step:?}"),
    });
    assert_eq!(pieces.each_ref().map(Vec::len), [1, 1]);
    assert_eq!(pieces[0][0].as_ptr(), pieces[1][0].as_ptr(), "nobody copied it");
    assert_eq!(shorts(&pieces[0]), ["1 a @1", "2 a @2"]);
}

#[test]
fn a_record_that_several_keys_match_is_sent_once() {
    let mut house = house(100);
    let ana = Names { user: Some(UserId::new("ana").unwrap()), ..Names::default() };
    let link = house.open_as(ana, &["a:1", "a:*", "*"], Start::Head);
    house.publish(&["a:1", "a:*"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["connected @0", "1 a:1 @1", "2 a:* @2"]);
}

#[test]
fn a_user_addressed_record_reaches_only_that_user() {
    let mut house = house(100);
    let named = |user: &str| Names { user: Some(UserId::new(user).unwrap()), ..Names::default() };
    let ana = house.open_as(named("ana"), &[], Start::Head);
    let bob = house.open_as(named("bob"), &["*"], Start::Head);
    assert_eq!([house.hear(&ana), house.hear(&bob)], [["connected @0"], ["connected @0"]]);
    let mut addressed = entry("note", "t", "1");
    addressed.audience = Audience::Users(vec![UserId::new("ana").unwrap()]);
    house.append(addressed);
    assert_eq!(house.core.flush(), 1);
    assert_eq!(house.hear(&ana), ["1 note @1"]);
    assert!(house.hear(&bob).is_empty());
}

#[test]
fn a_resumed_stream_goes_on_after_its_cursor() {
    let mut house = house(100);
    house.publish(&["a", "a", "b", "a"]);
    let link = house.open(&["a"], resume(1));
    assert_eq!(house.hear(&link), ["connected @1", "2 a @2", "4 a @4"]);
}

#[test]
fn a_refused_cursor_is_kept_until_the_gap_was_told() {
    let mut house = house(100);
    house.publish(&["a", "a"]);
    let link = house.open(&["a"], Start::Gap(GapReason::Epoch));
    // Had `connected` an id, a client cut off right after it would resume there and never hear of the gap.
    assert_eq!(house.hear(&link), ["connected", "gap null epoch @2"]);
}

#[test]
fn a_stream_ahead_of_its_node_hears_nothing_twice() {
    let mut house = house(100);
    house.publish(&["a"]);
    let link = house.open(&["a"], Start::Resume { cursor: at(3), late: vec![at(3)], lineage: Lineage::default() });
    house.publish(&["a", "a", "a"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["connected @3", "4 a @4"]);
}

#[test]
fn a_late_tag_that_does_not_match_is_told_before_anything_after_it() {
    let mut house = house(100);
    let strange = Cursor { tag: 7, ..at(2) };
    let link = house.open(&["a"], Start::Resume { cursor: strange, late: vec![strange], lineage: Lineage::default() });
    assert_eq!(house.hear(&link), ["connected @2"]);
    house.publish(&["a", "a", "a"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["gap null diverged @3"]);
}

#[test]
fn a_late_since_is_judged_when_the_node_gets_there_on_those_channels_only() {
    // With a window too small to hold it until then, too.
    for window in [1, 100] {
        let mut house = house(window);
        let link = house.open(&["b"], Start::Head);
        let strange = Cursor { tag: 7, ..at(2) };
        house.subscribe(&link, "r1", &["a"], Since::After(strange));
        house.subscribe(&link, "r2", &["c"], Since::After(at(2)));
        assert_eq!(house.hear(&link), ["connected @0"], "window of {window}");
        house.publish(&["a", "b", "c"]);
        house.core.flush();
        let expected = ["2 b @2", r#"gap ["a"] diverged"#, "subscribed r1 3", "backfill r2 3 c", "subscribed r2 3"];
        assert_eq!(house.hear(&link), expected, "window of {window}");
    }
}

#[test]
fn a_past_that_ends_ahead_of_the_node_is_whole() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Resume { cursor: at(2), late: vec![at(2)], lineage: Lineage::default() });
    house.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    assert_eq!(house.hear(&link), ["connected @2"]);
    house.publish(&["b", "b"]);
    assert_eq!(house.hear(&link), ["backfill r1 1 b", "backfill r1 2 b", "subscribed r1 2"]);
}

#[test]
fn a_batch_that_passes_a_late_tag_and_leaves_the_window_is_no_divergence() {
    let mut house = house(1);
    let link = house.open(&["a"], Start::Resume { cursor: at(1), late: vec![at(1)], lineage: Lineage::default() });
    house.hear(&link);
    let records: Vec<_> =
        (1..=3).map(|seq| Record { seq, tag: at(seq).tag, entry: Arc::new(entry("a", "t", "1")) }).collect();
    house.log = records;
    house.apply_from(0);
    house.core.flush();
    assert_eq!(house.hear(&link), ["2 a @2", "3 a @3"]);
}

#[test]
fn a_page_ends_where_the_window_begins() {
    let mut house = house(1);
    house.publish(&["a", "a"]);
    // The engine has one more, which this node has not applied.
    house.log.push(Record { seq: 3, tag: at(3).tag, entry: Arc::new(entry("a", "t", "1")) });
    let link = house.open(&["a"], resume(0));
    assert_eq!(house.hear(&link), ["connected @0", "1 a @1", "2 a @2"]);
    // Nor does it serve what stands in the window: there, another log may have taken its place.
    house.log[1] = Record { tag: 7, entry: Arc::new(entry("b", "t", "1")), ..house.log[1].clone() };
    house.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    assert_eq!(house.hear(&link), ["subscribed r1 2"]);
}

#[test]
fn what_a_page_holds_that_the_node_has_not_applied_is_not_written() {
    let mut house = house(1);
    house.publish(&["a"; 3]);
    let link = house.open(&["a"], resume(0));
    let beyond = Record { seq: 4, tag: 7, entry: Arc::new(entry("a", "t", "1")) };
    let page: Vec<_> = house.log.iter().cloned().chain([beyond]).collect();
    assert!(matches!(house.core.step(&link, MANY, 0), Step::Write(_)));
    assert!(matches!(house.core.step(&link, MANY, 0), Step::Read { .. }));
    house.core.page(&link, at(0), Ok(Arc::new(Segment::read(at(0), &page))));
    assert_eq!(house.said_at(&link, 0), ["1 a @1", "2 a @2", "3 a @3"]);
    // The log lost what the node had not seen, and went on otherwise. No gap: the stream has heard nothing of it.
    house.publish(&["a", "a"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["4 a @4", "5 a @5"]);
}

#[test]
fn a_page_of_another_log_than_the_windows_is_a_gap() {
    let mut house = house(1);
    house.publish(&["a", "a"]);
    house.log[0].tag = 7;
    let link = house.open(&["a"], resume(0));
    assert_eq!(house.hear(&link), ["connected @0", "gap null diverged @2"]);
    house.subscribe(&link, "r1", &["b"], Since::After(at(0)));
    assert_eq!(house.hear(&link), [r#"gap ["b"] diverged"#, "subscribed r1 2"]);
}

#[test]
fn a_quiet_stream_stands_at_the_nodes_head() {
    let mut house = house(2);
    let link = house.open(&["quiet"], Start::Head);
    house.hear(&link);
    house.publish(&["loud"; 10]);
    house.core.flush();
    house.core.tick(20_000, 15_000);
    // Far more passed than the window holds, yet no page is read and nothing is missing.
    assert_eq!(house.hear(&link), ["heartbeat @10"]);
}

#[test]
fn a_heartbeat_never_overtakes_what_is_still_to_be_written() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Head);
    house.hear(&link);
    house.publish(&["a", "b"]);
    house.core.tick(20_000, 15_000);
    // Not flushed yet: the connection was not woken for the record, only for the heartbeat.
    assert_eq!(house.hear(&link), ["1 a @1"]);
}

#[test]
fn a_batch_stops_at_its_size_and_goes_on_where_it_stopped() {
    let mut house = house(100);
    let link = house.open(&["a"], resume(0));
    house.publish(&["a"; 5]);
    assert_eq!(house.drain(&link, 1), ["connected @0", "1 a @1", "2 a @2", "3 a @3", "4 a @4", "5 a @5"]);
}

#[test]
fn a_slow_stream_catches_up_from_the_log_and_then_from_the_window() {
    let mut house = house(2);
    let link = house.open(&["a"], Start::Head);
    house.publish(&["a", "b", "a", "a", "b", "a"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["connected @0", "1 a @1", "3 a @3", "4 a @4", "6 a @6"]);
}

#[test]
fn a_slow_stream_is_told_what_was_trimmed_of_its_channels_and_hears_the_rest() {
    let mut house = house(2);
    let ana = Names { user: Some(UserId::new("ana").unwrap()), ..Names::default() };
    let link = house.open_as(ana, &["a", "b", "c:*"], Start::Head);
    house.hear(&link);
    house.publish(&["a", "a", "c:1", "b", "a", "a"]);
    house.trimmed = 3;
    house.core.flush();
    assert_eq!(house.hear(&link), [r#"gap ["a","c:*"] trimmed"#, "4 b @4", "5 a @5", "6 a @6"]);
}

#[test]
fn a_stream_of_which_nothing_was_trimmed_is_told_no_gap() {
    let mut house = house(2);
    house.publish(&["loud"; 9]);
    house.publish(&["a"]);
    house.trimmed = 8;
    let link = house.open(&["a"], resume(1));
    assert_eq!(house.hear(&link), ["connected @1", "10 a @10"]);
}

#[test]
fn a_stream_is_told_that_addressed_events_were_trimmed_beside_its_channels() {
    let mut house = house(1);
    house.append(addressed("ana"));
    house.publish(&["a", "b", "b", "b"]);
    house.trimmed = 3;
    let open = |user: &str| {
        let names = Names { user: Some(UserId::new(user).unwrap()), ..Names::default() };
        house.open_as(names, &["b"], resume(0))
    };
    assert_eq!(house.hear(&open("bob")), ["connected @0", r#"gap ["b"] trimmed"#, "4 b @4", "5 b @5"]);
    assert_eq!(house.hear(&open("ana")), ["connected @0", r#"gap ["b"] addressed trimmed"#, "4 b @4", "5 b @5"]);
}

#[test]
fn a_stream_whose_place_the_log_has_forgotten_is_told_a_gap_on_all_of_it() {
    let mut house = house(2);
    let link = house.open(&["a"], Start::Head);
    house.hear(&link);
    house.publish(&["b"; 6]);
    house.forgotten = 3;
    house.core.skip_to(at(6), AccessState::default(), &HashSet::default());
    assert_eq!(house.hear(&link), ["gap null trimmed @6"]);
    house.publish(&["a"]);
    house.core.flush();
    assert_eq!(house.hear(&link), ["7 a @7"]);
}

#[test]
fn what_is_damaged_is_told_between_what_stands_before_and_behind_it() {
    let keys = entry("a", "t", "1").routing_keys();
    for (known, others) in [(Some(keys.into_iter().collect()), vec![]), (None, vec![r#"gap ["b"] damaged"#])] {
        let mut house = house(1);
        house.publish(&["a", "a", "a", "a", "b"]);
        house.damaged = Some((2, known.clone()));
        let concerned = r#"gap ["a"] damaged"#;
        let link = house.open(&["a"], resume(0));
        assert_eq!(house.hear(&link), ["connected @0", "1 a @1", concerned, "3 a @3", "4 a @4"]);
        let other = house.open(&["b"], resume(0));
        assert_eq!(house.hear(&other), [&["connected @0"], &others[..], &["5 b @5"]].concat());
        let later = house.open(&["a"], resume(2));
        assert_eq!(house.hear(&later), ["connected @2", "3 a @3", "4 a @4"], "who stands behind it misses nothing");
    }
}

#[test]
fn a_past_with_a_damaged_part_is_a_gap_to_that_call_alone() {
    let mut house = house(1);
    house.publish(&["a", "a", "a"]);
    house.damaged = Some((2, None));
    let link = house.open(&["b"], Start::Head);
    house.subscribe(&link, "r1", &["a"], Since::After(at(0)));
    let expected = ["connected @3", "backfill r1 1 a", r#"gap ["a"] damaged"#, "backfill r1 3 a", "subscribed r1 3"];
    assert_eq!(house.hear(&link), expected);
}

#[test]
fn a_node_that_skips_a_part_of_the_log_leaves_each_stream_to_find_out_what_it_missed() {
    let mut house = house(100);
    let (a, b) = (house.open(&["a"], Start::Head), house.open(&["b"], Start::Head));
    house.hear(&a);
    house.hear(&b);
    // The log went on by these, and has trimmed the first of them before the node could read them.
    for channel in ["a", "b", "c", "a"] {
        let place = at(house.log.len() as u64 + 1);
        house.log.push(Record { seq: place.seq, tag: place.tag, entry: Arc::new(entry(channel, "t", "1")) });
    }
    house.trimmed = 1;
    house.core.skip_to(at(3), AccessState::default(), &HashSet::default());
    house.apply_from(3);
    house.core.flush();
    assert_eq!(house.hear(&a), [r#"gap ["a"] trimmed"#, "4 a @4"]);
    assert_eq!(house.hear(&b), ["2 b @2"]);
}

#[test]
fn a_tail_that_does_not_go_on_where_the_window_ends_is_refused() {
    let mut house = house(100);
    house.publish(&["a"]);
    let record = |seq: u64| Record { seq, tag: at(seq).tag, entry: Arc::new(entry("a", "t", "1")) };
    let refused = |after: Cursor, records: Vec<Record>| {
        house.core.apply(&Batch { after, records }).unwrap_err();
        assert_eq!(house.core.head(), at(1), "nothing was taken");
    };
    refused(at(2), vec![record(3)]);
    refused(Cursor { tag: 7, ..at(1) }, vec![record(2)]);
    refused(Cursor { epoch: 2, ..at(1) }, vec![record(2)]);
    refused(at(1), vec![record(2), record(4)]);
    refused(at(1), vec![record(1)]);
    house.core.apply(&Batch { after: at(1), records: vec![record(2)] }).unwrap();
}

#[test]
fn a_stream_that_waits_for_the_engine_still_says_its_heartbeat_and_its_end() {
    let mut house = house(1);
    house.publish(&["a", "a", "a"]);
    let link = house.open(&["a"], resume(0));
    let said = |house: &House| match house.core.step(&link, MANY, 20_000) {
        Step::Write(frames) => shorts(&frames),
        Step::Read { .. } => vec!["read".to_owned()],
        step => panic!("{step:?}"),
    };
    assert_eq!([said(&house), said(&house)], [["connected @0"], ["read"]]);
    house.core.tick(40_000, 15_000);
    assert_eq!([said(&house), said(&house)], [["heartbeat @0"], ["read"]]);
    house.core.close_all(|_| Closing { reason: ClosingReason::Drain, retry_ms: 5 });
    assert_eq!(said(&house), ["closing drain"]);
}

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
fn addressed(to: &str) -> Entry {
    Entry { audience: Audience::Users(vec![to.parse().unwrap()]), ..entry("label", "t", "1") }
}

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

#[test]
fn a_closing_stream_says_so_and_ends() {
    let mut house = house(100);
    let link = house.open(&["a"], Start::Head);
    house.publish(&["a"]);
    house.core.close_all(|_| Closing { reason: ClosingReason::Drain, retry_ms: 1 });
    assert_eq!(house.hear(&link), ["connected @0", "closing drain"]);
    assert!(matches!(house.core.step(&link, MANY, 0), Step::End));
}

#[test]
fn a_closed_stream_leaves_nothing_behind() {
    let mut house = house(100);
    let ana = Names { user: Some(UserId::new("ana").unwrap()), ..Names::default() };
    let link = house.open_as(
        ana,
        &["a:b", "c:*"],
        Start::Resume { cursor: at(9), late: vec![at(9)], lineage: Lineage::default() },
    );
    assert_eq!((house.core.connections(), house.core.stats().users), (1, 1));
    house.core.close(&link);
    assert_eq!((house.core.connections(), house.core.stats().users), (0, 0));
    assert!(house.core.registry.lock().routes.is_empty() && house.core.late.lock().is_empty());
    house.publish(&["a:b"]);
    assert_eq!(house.core.flush(), 0);
}

#[test]
fn a_cursor_is_judged_down_to_the_record_before_the_first() {
    let mut house = house(2);
    house.publish(&["a"; 5]);
    assert_eq!(house.core.judge(at(5)), Verdict::Good);
    assert_eq!(house.core.judge(at(3)), Verdict::Good, "the record before the window's first");
    assert_eq!(house.core.judge(at(2)), Verdict::AskEngine);
    assert_eq!(house.core.judge(Cursor { tag: 1, ..at(4) }), Verdict::Gap(GapReason::Diverged));
    assert_eq!(house.core.judge(Cursor { epoch: 2, ..at(4) }), Verdict::Gap(GapReason::Epoch));
    let by_engine = |seq: u64, location| house.core.judge_by_engine(at(seq), location);
    assert_eq!(by_engine(2, Location::Held), Verdict::Good);
    assert_eq!(by_engine(1, Location::Trimmed), Verdict::Good, "what has left since is told where it is read");
    assert_eq!(by_engine(1, Location::Forgotten), Verdict::Gap(GapReason::Trimmed));
    assert_eq!(by_engine(3, Location::Diverged), Verdict::Gap(GapReason::Diverged));
    assert_eq!(by_engine(7, Location::Held), Verdict::Late);
}

#[test]
fn a_call_about_a_stream_that_has_ended_touches_nobody_else() {
    let mut house = house(100);
    let gone = house.open(&["a"], Start::Head);
    house.hear(&gone);
    house.core.close(&gone);
    // It takes the place of the other.
    let next = house.open(&["a"], Start::Head);
    house.hear(&next);
    house.core.unsubscribe(&gone, &patterns(&["a"]));
    house.refresh(&gone, None, &granted(&["a"])).unwrap();
    house.publish(&["a"]);
    assert_eq!(house.core.flush(), 1, "it is woken");
    assert_eq!(house.hear(&next).len(), 1);
}
