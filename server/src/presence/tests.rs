//! Presence without a hub: time is a number, and a seat's news are taken by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tidings_protocol::{DeviceId, UserId};

use bytes::Bytes;

use super::*;

/// Counts how many times a driver was notified of news.
#[derive(Debug, Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn ring(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Fixture {
    presence: Presence,
    bell: Arc<Count>,
}

const GRACE: u64 = 10_000;
const SILENCE: u64 = 75_000;

fn fixture() -> Fixture {
    let settings = PresenceSettings::default().grace(Duration::from_millis(GRACE));
    Fixture { presence: Presence::new(settings), bell: Arc::default() }
}

fn room(text: &str) -> Pattern {
    text.parse().unwrap()
}

/// Parses `ana/d1`, or `ana` without a device.
fn member(text: &str) -> Member {
    let (user, device) = text.split_once('/').map_or((text, None), |(user, device)| (user, Some(device)));
    Member { user_id: UserId::new(user).unwrap(), device_id: device.map(|id| DeviceId::new(id).unwrap()) }
}

fn text(member: &Member) -> String {
    match &member.device_id {
        Some(device) => format!("{}/{device}", member.user_id),
        None => member.user_id.to_string(),
    }
}

fn texts(members: &[Member]) -> String {
    members.iter().map(text).collect::<Vec<_>>().join(" ")
}

impl Fixture {
    fn sit(&self, who: &str, channels: &[&str], now_ms: u64) -> SeatId {
        let bell: Weak<Count> = Arc::downgrade(&self.bell);
        let seat = self.presence.sit(Some(member(who)), bell, now_ms);
        self.hold(seat, channels);
        seat
    }

    fn hold(&self, seat: SeatId, channels: &[&str]) {
        self.presence.hold(seat, &channels.iter().map(|text| room(text)).collect::<Vec<_>>());
    }

    /// A seat that only watches.
    fn watcher(&self, rooms: &[&str]) -> SeatId {
        let bell: Weak<Count> = Arc::downgrade(&self.bell);
        let seat = self.presence.sit(None, bell, 0);
        self.presence.watch(seat, 0, rooms.iter().map(|text| room(text)).collect());
        seat
    }

    fn here(&self, name: &str) -> String {
        texts(&self.presence.here(&room(name)))
    }

    /// The news of a seat after everything up to now was announced.
    fn told(&self, seat: SeatId, now_ms: u64) -> Vec<String> {
        self.presence.announce(now_ms);
        self.presence.take(seat).iter().map(short).collect()
    }
}

fn short(news: &News) -> String {
    match news {
        News::Here(here, _) => format!("here {}", texts(&here.value)).trim().to_owned(),
        News::Moved(moved) => {
            let signed = |sign: char| move |member: &Member| format!("{sign}{}", text(member));
            let join = moved.join.iter().map(signed('+'));
            join.chain(moved.leave.iter().map(signed('-'))).collect::<Vec<_>>().join(" ")
        }
        News::Ended(_) => "ended".into(),
    }
}

#[test]
fn a_stream_is_in_the_rooms_of_its_channels_of_the_patterns_above_and_of_everyone() {
    let fixture = fixture();
    fixture.sit("ana/d1", &["room:1:a", "news"], 0);
    fixture.sit("bob/d2", &["room:*"], 0);
    fixture.sit("eve", &[], 0);
    assert_eq!(fixture.here("room:1:a"), "ana/d1");
    assert_eq!(fixture.here("room:1:*"), "ana/d1");
    assert_eq!(fixture.here("room:*"), "ana/d1 bob/d2");
    assert_eq!(fixture.here("*"), "ana/d1 bob/d2 eve");
    for empty in ["room", "room:1", "room:2", "room:2:*", "news:*"] {
        assert_eq!(fixture.here(empty), "", "{empty}");
    }
}

#[test]
fn a_watcher_is_told_all_who_are_there_and_then_who_comes_and_goes() {
    let fixture = fixture();
    let first = fixture.sit("ana/d1", &["room:1"], 0);
    let watcher = fixture.watcher(&["room:1"]);
    assert_eq!(fixture.told(watcher, 0), ["here ana/d1"]);
    assert!(fixture.told(watcher, 0).is_empty());
    let bob = fixture.sit("bob/d2", &["room:1"], 0);
    fixture.sit("eve", &["room:2"], 0);
    assert_eq!(fixture.told(watcher, 0), ["+bob/d2"]);
    fixture.hold(first, &[]);
    fixture.sit("cid", &["room:1"], 0);
    assert_eq!(fixture.told(watcher, 0), ["+cid -ana/d1"]);
    fixture.presence.stand_up(bob, 0);
    assert!(fixture.told(watcher, GRACE - 1).is_empty());
    assert_eq!(fixture.told(watcher, GRACE), ["-bob/d2"]);
    assert_eq!(fixture.here("room:1"), "cid");
}

#[test]
fn a_reload_is_no_leave() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["*", "room:1"]);
    let first = fixture.sit("ana/d1", &["room:1"], 0);
    assert_eq!(fixture.told(watcher, 0), ["here ana/d1", "here ana/d1"]);
    fixture.presence.stand_up(first, 1_000);
    assert!(fixture.told(watcher, 1_000 + GRACE - 1).is_empty());
    let second = fixture.sit("ana/d1", &["room:1"], 1_000 + GRACE - 1);
    assert!(fixture.told(watcher, 5_000 + GRACE).is_empty());
    // The second device has a grace period of its own.
    fixture.presence.stand_up(second, 20_000);
    assert!(fixture.told(watcher, 20_000 + GRACE - 1).is_empty());
    assert_eq!(fixture.told(watcher, 20_000 + GRACE), ["-ana/d1", "-ana/d1"]);
}

#[test]
fn a_reload_into_other_channels_leaves_those_of_before() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["room:1", "room:2", "room:*"]);
    let first = fixture.sit("ana/d1", &["room:1"], 0);
    fixture.told(watcher, 0);
    fixture.presence.stand_up(first, 0);
    fixture.sit("ana/d1", &["room:2"], 500);
    assert_eq!(fixture.told(watcher, GRACE), ["-ana/d1", "+ana/d1"]);
}

#[test]
fn the_same_device_by_two_tabs_is_there_once_until_both_are_gone() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["room:1"]);
    let tabs = [fixture.sit("ana/d1", &["room:1"], 0), fixture.sit("ana/d1", &["room:1"], 0)];
    assert_eq!(fixture.told(watcher, 0), ["here ana/d1"]);
    fixture.presence.stand_up(tabs[0], 0);
    assert!(fixture.told(watcher, 2 * GRACE).is_empty());
    fixture.hold(tabs[1], &[]);
    assert_eq!(fixture.told(watcher, 2 * GRACE), ["-ana/d1"]);
}

#[test]
fn a_user_who_came_and_left_between_two_rounds_is_not_reported_nor_the_reverse() {
    let fixture = fixture();
    let stays = fixture.sit("ana", &["room:1"], 0);
    let watcher = fixture.watcher(&["room:1"]);
    fixture.told(watcher, 0);
    let bob = fixture.sit("bob", &["room:1"], 0);
    fixture.hold(bob, &[]);
    fixture.hold(stays, &[]);
    fixture.hold(stays, &["room:1"]);
    assert!(fixture.told(watcher, 0).is_empty());
    assert_eq!(fixture.here("room:1"), "ana");
}

#[test]
fn a_silent_stream_counts_as_present_for_75_seconds_and_again_when_it_is_heard() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["room:1"]);
    let seat = fixture.sit("ana", &["room:1"], 0);
    let talks = fixture.sit("bob", &["room:1"], 0);
    assert_eq!(fixture.told(watcher, 0), ["here ana bob"]);
    for now_ms in [30_000, 60_000] {
        fixture.presence.heard(talks, now_ms);
        assert!(fixture.told(watcher, now_ms).is_empty());
    }
    assert!(fixture.told(watcher, SILENCE - 1).is_empty());
    assert_eq!(fixture.told(watcher, SILENCE), ["-ana"]);
    // Channels that it carries meanwhile count once the client is heard from.
    fixture.hold(seat, &["room:2"]);
    assert_eq!(fixture.here("room:*"), "bob");
    fixture.presence.heard(seat, 100_000);
    assert_eq!(fixture.here("room:2"), "ana");
    assert_eq!(fixture.told(watcher, 60_000 + SILENCE), ["-bob"]);
    assert_eq!(fixture.here("*"), "ana");
    fixture.presence.announce(100_000 + SILENCE);
    assert_eq!(fixture.here("*"), "", "the client fell silent again");
}

#[test]
fn the_grace_period_does_not_lengthen_the_time_of_a_ghost() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["*"]);
    let seat = fixture.sit("ana", &[], 0);
    fixture.told(watcher, 0);
    fixture.presence.stand_up(seat, SILENCE - 1_000);
    assert_eq!(fixture.told(watcher, SILENCE), ["-ana"]);

    let ghost = fixture.sit("bob", &[], 100_000);
    fixture.told(watcher, 100_000);
    assert_eq!(fixture.told(watcher, 100_000 + SILENCE), ["-bob"]);
    fixture.presence.stand_up(ghost, 200_000);
    assert!(fixture.told(watcher, 300_000).is_empty());
}

#[test]
fn a_call_that_was_overtaken_changes_nothing() {
    let fixture = fixture();
    let watcher = fixture.watcher(&[]);
    fixture.presence.watch(watcher, 2, vec![room("room:2")]);
    fixture.presence.watch(watcher, 1, vec![room("room:1")]);
    fixture.sit("ana", &["room:1"], 0);
    fixture.sit("bob", &["room:2"], 0);
    assert_eq!(fixture.told(watcher, 0), ["here bob"]);
    fixture.presence.watch(watcher, 3, vec![room("room:1")]);
    assert_eq!(fixture.told(watcher, 0), ["here ana"]);
    fixture.sit("cid", &["room:2"], 0);
    assert!(fixture.told(watcher, 0).is_empty());
}

#[test]
fn a_list_is_never_followed_by_news_that_it_holds_already_nor_does_it_hide_them_from_others() {
    let fixture = fixture();
    let before = fixture.watcher(&["room:1"]);
    assert_eq!(fixture.told(before, 0), ["here"]);
    fixture.sit("ana", &["room:1"], 0);
    let after = fixture.watcher(&["room:1"]);
    let told = fixture.presence.take(after);
    assert_eq!(told.iter().map(short).collect::<Vec<_>>(), ["here ana"]);
    let rung = fixture.bell.0.load(Ordering::Relaxed);
    assert_eq!(fixture.told(before, 0), ["+ana"]);
    assert_eq!(fixture.bell.0.load(Ordering::Relaxed), rung + 2, "both are woken, though the news were made before");
    assert!(fixture.told(after, 0).is_empty());
}

#[test]
fn a_slow_watcher_receives_the_whole_list_again() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["*"]);
    assert_eq!(fixture.told(watcher, 0), ["here"]);
    let user = "u".repeat(120);
    for number in 0..1_000 {
        fixture.sit(&format!("{user}{number}"), &[], 0);
        fixture.presence.announce(0);
    }
    let news = fixture.told(watcher, 0);
    assert_eq!(news.len(), 1);
    assert!(news[0].starts_with("here ") && news[0].split(' ').count() == 1_001);
    fixture.sit("ana", &[], 0);
    assert_eq!(fixture.told(watcher, 0), ["+ana"]);
}

#[test]
fn a_watch_without_a_grant_ends_and_the_others_go_on() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["room:1", "room:2"]);
    fixture.told(watcher, 0);
    fixture.presence.end_watches(watcher, &[room("room:1")]);
    assert_eq!(fixture.told(watcher, 0), ["ended"]);
    fixture.sit("ana", &["room:1", "room:2"], 0);
    assert_eq!(fixture.told(watcher, 0), ["+ana"]);
}

#[test]
fn nothing_is_kept_of_those_who_are_gone() {
    let fixture = fixture();
    let watcher = fixture.watcher(&["room:1", "room:9"]);
    let seat = fixture.sit("ana", &["room:1", "a:b:c"], 0);
    fixture.told(watcher, 0);
    fixture.presence.stand_up(seat, 0);
    fixture.presence.stand_up(watcher, 0);
    fixture.presence.announce(SILENCE);
    let state = fixture.presence.state.lock();
    assert!(state.seats.is_empty() && state.rooms.is_empty() && state.due.is_empty() && state.dirty.is_empty());
}

#[test]
fn the_driver_is_woken_by_changes_and_told_when_time_is_up() {
    let fixture = fixture();
    let woken = futures_util::task::noop_waker();
    let cx = Context::from_waker(&woken);
    assert!(fixture.presence.poll_changed(&cx).is_pending());
    let seat = fixture.sit("ana", &[], 5);
    assert!(fixture.presence.poll_changed(&cx).is_ready());
    assert!(fixture.presence.poll_changed(&cx).is_pending());
    assert_eq!(fixture.presence.next_due(), Some(5 + SILENCE));
    fixture.presence.stand_up(seat, 100);
    assert!(fixture.presence.poll_changed(&cx).is_ready());
    assert_eq!(fixture.presence.next_due(), Some(100 + GRACE));
}

#[test]
fn no_frame_is_larger_than_an_event_and_what_is_not_taken_is_not_held() {
    let fixture = fixture();
    let user = "u".repeat(100);
    let watcher = fixture.watcher(&["*", "room:1"]);
    assert_eq!(fixture.presence.take_frames(watcher, usize::MAX).0.len(), 2, "nobody, twice");
    // They all join at once.
    for number in 0..2_000 {
        fixture.sit(&format!("{user}{number}"), &["room:1"], 0);
    }
    fixture.presence.announce(0);
    let largest = |frames: &[Bytes]| frames.iter().map(Bytes::len).max().unwrap_or_default();
    let late = fixture.watcher(&["*", "room:1"]);
    for seat in [watcher, late] {
        let (mut taken, mut times) = (Vec::new(), 0);
        loop {
            let (frames, is_more) = fixture.presence.take_frames(seat, 64 << 10);
            assert!(largest(&frames) <= 80 << 10, "{}", largest(&frames));
            assert!(frames.iter().map(Bytes::len).sum::<usize>() <= 144 << 10);
            taken.extend(frames);
            times += 1;
            if !is_more {
                break;
            }
        }
        assert!(times > 3, "{times}");
        let text = String::from_utf8(taken.concat()).unwrap();
        assert_eq!(text.matches(&user).count(), 4_000, "each member appears once in each room");
        assert!(fixture.presence.take_frames(seat, 1).0.is_empty());
    }
    let state = fixture.presence.state.lock();
    assert!(state.seats.values().all(|seat| seat.rest.is_empty()));
}
