//! Seats, rooms, and what is to be looked at later.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, VecDeque},
    sync::Weak,
};

use bytes::Bytes;
use hashbrown::HashMap;
use tidings_protocol::{Pattern, frame::Member};

use super::{
    news::{SeatId, Wake},
    room::{Room, Told},
};

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) seats: HashMap<SeatId, Seat>,
    pub(super) rooms: HashMap<Pattern, Room>,
    pub(super) last_seat: SeatId,
    /// Rooms with news that nobody was told.
    pub(super) dirty: BTreeSet<Pattern>,
    /// What to look at, and when.
    pub(super) due: BTreeMap<u64, Vec<Due>>,
}

/// One stream, or one watch of the backend's.
pub(super) struct Seat {
    /// `None`: it watches, and is not seen.
    pub(super) member: Option<Member>,
    /// The rooms that its member is in because of it.
    pub(super) rooms: HashSet<Pattern>,
    pub(super) heard_ms: u64,
    /// It was not heard of for too long: it is in no room now.
    pub(super) silent: bool,
    /// The rooms that it watches, and how far it was told of each.
    pub(super) views: Vec<(Pattern, Told)>,
    /// Rooms that it may watch no longer, until it is said.
    pub(super) ended: Vec<Pattern>,
    /// The frames of who is there in one room that it has not taken yet.
    pub(super) rest: VecDeque<Bytes>,
    /// The latest call about what it watches.
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
    /// A seat may have been silent for too long.
    Silence(SeatId),
    /// A member may have been away for longer than the grace period.
    Leave(Pattern, Member),
}

impl State {
    /// One stream more of a member's is in a room.
    pub(super) fn enter(&mut self, name: &Pattern, member: &Member) {
        self.rooms.entry(name.clone()).or_default().enter(member);
        self.dirty.insert(name.clone());
    }

    /// One stream fewer. With the last one the member leaves: at once, or at this time unless another stream comes before.
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

    pub(super) fn unwatch(&mut self, name: &Pattern, id: SeatId) {
        let Some(room) = self.rooms.get_mut(name) else { return };
        room.watchers.remove(&id);
        if room.is_deserted() {
            self.rooms.remove(name);
        }
    }

    /// Each was planned some time ago, and may have been overtaken.
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
            Due::Leave(name, member) => {
                if self.rooms.get_mut(&name).is_some_and(|room| room.expire(&member, now_ms)) {
                    self.dirty.insert(name);
                }
            }
        }
    }
}
