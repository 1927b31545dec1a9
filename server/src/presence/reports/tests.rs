//! The presence of several nodes, tested without nodes: reports are passed in, and time is a number.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tidings_protocol::UserId;

use super::*;
use crate::presence::{News, SeatId, Wake};

const GRACE: u64 = 10_000;
const OWN: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);
const THIRD: NodeId = NodeId(3);

/// Whether any watcher was woken.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn ring(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Fixture {
    presence: Presence,
    bell: Arc<Bell>,
}

/// The presence of this node and of others.
fn fixture(others: &[NodeId]) -> Fixture {
    let settings = PresenceSettings::default().grace(Duration::from_millis(GRACE));
    let presence = Presence::of_cluster(settings, OWN);
    others.iter().for_each(|node| presence.node_joined(*node));
    Fixture { presence, bell: Arc::default() }
}

fn room(text: &str) -> Pattern {
    text.parse().unwrap()
}

fn members(users: &str) -> Vec<Member> {
    let users = users.split_whitespace().map(|user| UserId::new(user).unwrap());
    users.map(|user_id| Member { user_id, device_id: None }).collect()
}

fn users(members: &[Member]) -> String {
    members.iter().map(|member| member.user_id.to_string()).collect::<Vec<_>>().join(" ")
}

fn here(users: &str) -> Frame {
    Frame::here(room("room:1"), members(users))
}

fn moved(join: &str, leave: &str) -> Frame {
    Frame::moved(room("room:1"), members(join), members(leave))
}

impl Fixture {
    fn watcher(&self) -> SeatId {
        let weak: Weak<Bell> = Arc::downgrade(&self.bell);
        let seat = self.presence.sit(None, weak, 0);
        self.presence.watch(seat, 0, vec![room("room:1")]);
        seat
    }

    fn reports(&self, node: NodeId, frame: Frame) {
        self.presence.node_reported(node, vec![frame]);
    }

    /// Whether a watcher is woken by what has happened until now.
    fn wakes(&self, now_ms: u64) -> bool {
        self.presence.announce(now_ms);
        self.bell.0.swap(false, Ordering::Relaxed)
    }

    /// The news for a watcher, with everything announced until now: `here 2/3 ana bob`, `+ana -bob`.
    fn told(&self, seat: SeatId, now_ms: u64) -> Vec<String> {
        self.presence.announce(now_ms);
        let short = |news: News| match news {
            News::Here(here, _) => format!("here {}/{} {}", here.answered, here.asked, users(&here.value)),
            News::Moved(moved) => {
                let signed = |sign: char| move |member: &Member| format!("{sign}{}", member.user_id);
                let join = moved.join.iter().map(signed('+'));
                join.chain(moved.leave.iter().map(signed('-'))).collect::<Vec<_>>().join(" ")
            }
            News::Ended(_) => "ended".to_owned(),
        };
        self.presence.take(seat).into_iter().map(|news| short(news).trim().to_owned()).collect()
    }
}

#[test]
fn a_watcher_waits_for_all_nodes_and_is_told_who_is_at_any_of_them() {
    let fixture = fixture(&[OTHER]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    assert!(fixture.told(watcher, 0).is_empty());
    fixture.reports(OTHER, here("ana bob"));
    assert_eq!(fixture.told(watcher, 1), ["here 2/2 ana bob"]);
    fixture.reports(OTHER, moved("cid", "bob"));
    assert_eq!(fixture.told(watcher, 2), ["+cid -bob"]);
}

#[test]
fn a_member_at_two_nodes_leaves_with_the_last() {
    let fixture = fixture(&[OTHER]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    fixture.reports(OTHER, here("ana"));
    assert_eq!(fixture.told(watcher, 0), ["here 2/2 ana"]);
    fixture.reports(OWN, moved("", "ana"));
    assert!(fixture.told(watcher, 0).is_empty());
    fixture.reports(OTHER, moved("", "ana"));
    assert_eq!(fixture.told(watcher, 0), ["-ana"]);
}

#[test]
fn where_a_node_has_not_answered_after_a_moment_watchers_are_told_so_and_again_when_it_has() {
    let fixture = fixture(&[OTHER, THIRD]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    assert!(fixture.told(watcher, 0).is_empty());
    assert_eq!(fixture.presence.next_due(), Some(300));
    assert_eq!(fixture.told(watcher, 300), ["here 1/3 ana"]);
    fixture.reports(OTHER, here("bob"));
    assert_eq!(fixture.told(watcher, 400), ["+bob"]);
    fixture.reports(THIRD, here(""));
    assert_eq!(fixture.told(watcher, 500), ["here 3/3 ana bob"]);
}

/// Another watcher receives a list with the new counts before the change is announced.
#[test]
fn all_watchers_are_told_that_a_node_is_silent_or_has_answered_even_if_one_knows_already() {
    let fixture = fixture(&[OTHER]);
    let first = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    fixture.reports(OTHER, here("bob"));
    assert_eq!(fixture.told(first, 0), ["here 2/2 ana bob"]);
    fixture.presence.node_failed(OTHER);
    let second = fixture.watcher();
    assert_eq!(fixture.presence.take(second).len(), 1);
    assert_eq!(fixture.told(first, 1), ["here 1/2 ana bob"]);
    fixture.reports(OTHER, here("bob"));
    let third = fixture.watcher();
    assert_eq!(fixture.presence.take(third).len(), 1);
    assert_eq!(fixture.told(first, 2), ["here 2/2 ana bob"]);
    assert_eq!(fixture.told(second, 2), ["here 2/2 ana bob"]);
}

#[test]
fn the_report_of_a_silent_node_stands_until_the_node_is_gone() {
    let fixture = fixture(&[OTHER]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    fixture.reports(OTHER, here("bob ana"));
    assert_eq!(fixture.told(watcher, 0), ["here 2/2 ana bob"]);
    fixture.presence.node_failed(OTHER);
    fixture.presence.node_failed(OTHER);
    assert_eq!(fixture.told(watcher, 1), ["here 1/2 ana bob"]);
    fixture.presence.node_left(OTHER, 2_000);
    assert_eq!(fixture.told(watcher, 2), ["here 1/1 ana bob"]);
    assert!(fixture.told(watcher, 1_999).is_empty());
    assert_eq!(fixture.told(watcher, 2_000), ["-bob"]);
}

#[test]
fn a_user_who_comes_back_at_another_node_in_time_never_left() {
    let fixture = fixture(&[OTHER]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here(""));
    fixture.reports(OTHER, here("bob"));
    assert_eq!(fixture.told(watcher, 0), ["here 2/2 bob"]);
    fixture.presence.node_left(OTHER, 2_000);
    fixture.reports(OWN, moved("bob", ""));
    assert_eq!(fixture.told(watcher, 5_000), ["here 1/1 bob"]);
}

#[test]
fn a_node_that_answers_again_is_believed_anew() {
    let fixture = fixture(&[OTHER]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here(""));
    fixture.reports(OTHER, here("bob cid"));
    assert_eq!(fixture.told(watcher, 0), ["here 2/2 bob cid"]);
    fixture.presence.node_failed(OTHER);
    fixture.reports(OTHER, here("cid dan"));
    assert_eq!(fixture.told(watcher, 1), ["+dan -bob"], "nobody was told that it failed");
    fixture.presence.node_failed(OTHER);
    assert_eq!(fixture.told(watcher, 2), ["here 1/2 cid dan"]);
    fixture.reports(OTHER, here("cid"));
    assert_eq!(fixture.told(watcher, 3), ["here 2/2 cid"]);
}

#[test]
fn a_room_that_all_have_left_and_somebody_watches_again_is_asked_about_anew() {
    let fixture = fixture(&[]);
    let first = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    let (revision, rooms) = (fixture.presence.watched_revision(), fixture.presence.watched_rooms());
    fixture.presence.stand_up(first, 0);
    assert!(fixture.presence.watched_rooms().is_empty());
    let second = fixture.watcher();
    assert_ne!(fixture.presence.watched_revision(), revision);
    assert_ne!(fixture.presence.watched_rooms(), rooms);
    // A change to a list that is not known any more.
    fixture.reports(OWN, moved("bob", ""));
    assert!(fixture.told(second, 0).is_empty());
    fixture.reports(OWN, here("ana bob"));
    assert_eq!(fixture.told(second, 1), ["here 1/1 ana bob"]);
}

#[test]
fn watchers_are_told_of_a_node_that_joins_when_it_has_answered_and_of_one_that_leaves() {
    let fixture = fixture(&[]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    assert_eq!(fixture.told(watcher, 0), ["here 1/1 ana"]);
    assert!(fixture.wakes(0));
    fixture.presence.node_joined(OTHER);
    assert!(fixture.told(watcher, 1).is_empty(), "its answer is on the way");
    fixture.reports(OTHER, here(""));
    assert!(fixture.wakes(2));
    assert_eq!(fixture.told(watcher, 2), ["here 2/2 ana"]);
    fixture.presence.node_left(OTHER, 3);
    assert!(fixture.wakes(3));
    assert_eq!(fixture.told(watcher, 3), ["here 1/1 ana"]);
    assert!(fixture.told(watcher, 4).is_empty());
}

#[test]
fn a_node_that_joins_with_a_member_is_told_in_one_list() {
    let fixture = fixture(&[]);
    let watcher = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    assert_eq!(fixture.told(watcher, 0), ["here 1/1 ana"]);
    fixture.presence.node_joined(OTHER);
    fixture.reports(OTHER, here("bob"));
    assert_eq!(fixture.told(watcher, 1), ["here 2/2 ana bob"]);
    fixture.reports(OTHER, moved("cid", ""));
    assert_eq!(fixture.told(watcher, 2), ["+cid"]);
}

/// A watcher receives a list with figures that hold only for a moment, in which nothing is announced.
#[test]
fn a_watcher_that_has_received_passing_figures_is_told_the_new_ones() {
    let fixture = fixture(&[OTHER]);
    let first = fixture.watcher();
    fixture.reports(OWN, here("ana"));
    fixture.reports(OTHER, here(""));
    assert_eq!(fixture.told(first, 0), ["here 2/2 ana"]);
    fixture.presence.node_failed(OTHER);
    let second = fixture.watcher();
    assert_eq!(fixture.presence.take(second).len(), 1);
    fixture.presence.node_reported(OTHER, Vec::new());
    fixture.bell.0.store(false, Ordering::Relaxed);
    assert!(fixture.wakes(1));
    assert_eq!(fixture.told(second, 1), ["here 2/2 ana"]);
    assert!(fixture.told(first, 1).is_empty(), "it never received others");
}

/// Whatever nodes report, fail and leave: a watcher that combines its news knows who is online.
#[test]
fn the_changes_add_up_to_the_reports_of_all_nodes() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let first = u64::try_from(now).unwrap();
    for seed in first..first + 300 {
        adds_up(seed);
    }
}

fn adds_up(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let fixture = fixture(&[]);
    let nodes = [OWN, OTHER, THIRD];
    let watcher = fixture.watcher();
    // The report of each node, and whether it answers; `None`: no report yet.
    let mut truth: [Option<BTreeSet<Member>>; 3] = [None, None, None];
    let mut is_there = [true, false, false];
    let mut shown = BTreeSet::new();
    for step in 0..200_u64 {
        let (one, user) = (rng.usize(..3), members(["ana", "bob", "cid", "dan"][rng.usize(..4)]));
        match (rng.u8(..10), &mut truth[one]) {
            (0, known) if one > 0 && is_there[one] => {
                (*known, is_there[one]) = (None, false);
                fixture.presence.node_left(nodes[one], step);
            }
            (1, _) => {
                is_there[one] = true;
                fixture.presence.node_joined(nodes[one]);
            }
            (2, _) => fixture.presence.node_failed(nodes[one]),
            (3 | 4, known) if is_there[one] => {
                let all: BTreeSet<_> = (0..rng.usize(..3)).flat_map(|_| user.clone()).collect();
                *known = Some(all.clone());
                fixture.reports(nodes[one], Frame::here(room("room:1"), all.into_iter().collect()));
            }
            (5..=7, Some(known)) => {
                known.extend(user.clone());
                fixture.reports(nodes[one], Frame::moved(room("room:1"), user, Vec::new()));
            }
            (_, Some(known)) => {
                known.remove(&user[0]);
                fixture.reports(nodes[one], Frame::moved(room("room:1"), Vec::new(), user));
            }
            _ => {}
        }
        fixture.presence.announce(step);
        if rng.bool() {
            for news in fixture.presence.take(watcher) {
                match news {
                    News::Here(here, _) => shown = here.value.into_iter().collect(),
                    News::Moved(moved) => {
                        shown.extend(moved.join.iter().cloned());
                        shown.retain(|member| !moved.leave.contains(member));
                    }
                    News::Ended(_) => unreachable!("nothing was ended"),
                }
            }
            let opened = fixture.presence.state.lock().rooms[&room("room:1")].opening == super::super::Opening::Open;
            let expected: BTreeSet<_> = truth.iter().flatten().flatten().cloned().collect();
            assert!(!opened || shown == expected, "seed {seed}, step {step}: {shown:?} is not {expected:?}");
        }
    }
}
