//! Seats, rooms, and what has to be checked later.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Weak,
};

use bytes::Bytes;
use hashbrown::HashMap;
use tidings_protocol::{Pattern, frame::Member};

use super::{
    news::{SeatId, Wake},
    reports::Report,
    room::{Opening, Room, Told},
};
use crate::peers::NodeId;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) seats: HashMap<SeatId, Seat>,
    pub(super) rooms: HashMap<Pattern, Room>,
    pub(super) last_seat: SeatId,
    /// The rooms with unannounced changes.
    pub(super) dirty: BTreeSet<Pattern>,
    /// The checks that are due, and when.
    pub(super) due: BTreeMap<u64, Vec<Due>>,
    /// The reports of all nodes of the log, this one included; empty for the presence of one node.
    pub(super) reports: BTreeMap<NodeId, Report>,
    /// Counts how many times a room got its first watcher or lost its last one.
    pub(super) watched_revision: u64,
}

/// One stream, or one watch of the backend.
pub(super) struct Seat {
    /// The member; `None` for a seat that only watches.
    pub(super) member: Option<Member>,
    /// The rooms that its member is in because of this seat.
    pub(super) rooms: HashSet<Pattern>,
    pub(super) heard_ms: u64,
    /// Whether its client was silent for too long, so that the seat is in no room now.
    pub(super) silent: bool,
    /// The rooms that it watches, and how far it was informed about each.
    pub(super) views: Vec<(Pattern, Told)>,
    /// The rooms that it may no longer watch, until it has reported that.
    pub(super) ended: Vec<Pattern>,
    /// The frames of one room's full list that it has not taken yet.
    pub(super) rest: VecDeque<Bytes>,
    /// The revision of the latest call about its watches.
    pub(super) revision: Option<u64>,
    pub(super) wake: Weak<dyn Wake>,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("member", &self.member).field("rooms", &self.rooms).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) enum Due {
    /// A client may have been silent for too long.
    Silence(SeatId),
    /// A member may have been away for longer than the grace period.
    Leave(Pattern, Member),
    /// The first watchers of a room have waited long enough for all nodes.
    Open(Pattern),
}

impl State {
    /// Adds a stream of a member to a room.
    pub(super) fn enter(&mut self, name: &Pattern, member: &Member) {
        self.rooms.entry(name.clone()).or_default().enter(member);
        self.dirty.insert(name.clone());
    }

    /// Removes a stream of a member. With the last one the member leaves: at once, or at this time unless another
    /// stream comes before.
    pub(super) fn exit(&mut self, name: &Pattern, member: &Member, until: Option<u64>) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        if !room.exit(member, until) {
            return;
        }
        match until {
            Some(at) => self.due.entry(at).or_default().push(Due::Leave(name.clone(), member.clone())),
            None => _ = self.dirty.insert(name.clone()),
        }
    }

    pub(super) fn watch(&mut self, name: Pattern, id: SeatId) {
        let room = self.rooms.entry(name.clone()).or_default();
        if room.watchers.is_empty() && !self.reports.is_empty() {
            self.watched_revision += 1;
            room.generation = self.watched_revision;
        }
        room.watchers.insert(id);
        if room.opening == Opening::Unseen {
            self.dirty.insert(name);
        }
    }

    pub(super) fn unwatch(&mut self, name: &Pattern, id: SeatId) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.watchers.remove(&id);
        if !room.watchers.is_empty() {
            return;
        }
        if room.is_deserted() || !self.reports.is_empty() {
            self.rooms.remove(name);
        }
        if !self.reports.is_empty() {
            // Nodes are asked about watched rooms only.
            self.watched_revision += 1;
            for report in self.reports.values_mut() {
                report.rooms.remove(name);
            }
        }
    }

    /// Runs a check. It was planned some time ago, and may be outdated.
    pub(super) fn look_at(&mut self, due: Due, now_ms: u64, silence_ms: u64) {
        match due {
            Due::Silence(id) => {
                let Some(seat) = self.seats.get_mut(&id) else { return };
                let end = seat.heard_ms.saturating_add(silence_ms);
                if end > now_ms {
                    self.due.entry(end).or_default().push(Due::Silence(id));
                    return;
                }
                seat.silent = true;
                let (member, rooms) = (seat.member.clone(), seat.rooms.clone());
                for room in &rooms {
                    if let Some(member) = &member {
                        self.exit(room, member, None);
                    }
                }
            }
            Due::Open(name) => {
                if let Some(room) = self.rooms.get_mut(&name).filter(|room| room.opening == Opening::Waiting) {
                    room.open();
                    self.dirty.insert(name);
                }
            }
            Due::Leave(name, member) => {
                if self.rooms.get_mut(&name).is_some_and(|room| room.expire(&member, now_ms)) {
                    self.dirty.insert(name);
                }
            }
        }
    }
}
