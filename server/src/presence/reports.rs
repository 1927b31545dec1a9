//! The presence of all nodes of a log: the reports of each node about its own streams, joined.
//!
//! Each node, this one included, reports who is at its streams in the rooms that are watched here: first all members,
//! then those who come and leave. A member is in a room as long as one node reports so. Watchers receive the number of
//! nodes and the number of those that have answered, so that nobody takes a part for the whole.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use tidings_protocol::{
    Pattern,
    frame::{Member, Presence as Frame},
};

use super::{Presence, PresenceSettings, room::Room, state::State};
use crate::peers::NodeId;

/// The report of one node.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Whether the node did not answer the last question.
    has_failed: bool,
    /// The node's own members. A room is missing until the node has reported all of its members.
    pub(super) rooms: HashMap<Pattern, BTreeSet<Member>>,
}

/// The number of nodes that know a room's members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// The number of nodes.
    pub(super) asked: usize,
    /// The number of nodes that have reported all of the room's members, and still answer.
    pub(super) answered: usize,
    /// The number of nodes that do not answer; the others have only not answered yet.
    pub(super) failed: usize,
}

impl Default for Counts {
    /// The counts for one node.
    fn default() -> Self {
        Self { asked: 1, answered: 1, failed: 0 }
    }
}

impl Counts {
    pub(super) fn is_complete(self) -> bool {
        self.answered == self.asked
    }

    /// Whether a watcher that has received `told` has to receive these counts. While a node that has just joined is
    /// still to answer, that waits for its answer, so that the watcher receives one more list and not two.
    pub(super) fn replaces(self, told: Self) -> bool {
        let is_settled = self.answered + self.failed == self.asked;
        self.failed != told.failed || (is_settled && self != told)
    }
}

/// The watched rooms, each with a number that changes if the room was not watched in between. They are sorted, so that
/// questions about them are the same in each run of a simulation.
pub(crate) type WatchedRooms = BTreeMap<Pattern, u64>;

impl Presence {
    /// The presence of all nodes of a log; this node is the first.
    pub(crate) fn of_cluster(settings: PresenceSettings, own: NodeId) -> Self {
        let presence = Self::new(settings);
        presence.state.lock().reports.insert(own, Report::default());
        presence
    }

    /// The rooms that nodes have to report.
    pub(crate) fn watched_rooms(&self) -> WatchedRooms {
        let state = self.state.lock();
        let watched = state.rooms.iter().filter(|(_, room)| !room.watchers.is_empty());
        watched.map(|(name, room)| (name.clone(), room.generation)).collect()
    }

    /// A number that changes whenever [`watched_rooms`](Self::watched_rooms) change.
    pub(crate) fn watched_revision(&self) -> u64 {
        self.state.lock().watched_revision
    }

    /// Adds a node, which has reported nothing yet.
    pub(crate) fn node_joined(&self, node: NodeId) {
        self.state.lock().reports.entry(node).or_default();
    }

    /// Removes a node. The members at its streams leave at this time, unless they are at another node.
    pub(crate) fn node_left(&self, node: NodeId, until_ms: u64) {
        let mut state = self.state.lock();
        let Some(report) = state.reports.remove(&node) else { return };
        for (room, members) in report.rooms {
            for member in members {
                state.exit(&room, &member, Some(until_ms));
            }
        }
        state.counts_changed();
        drop(state);
        self.change();
    }

    /// Notes that a node does not answer. Its report is kept until the node is gone, and watchers are told.
    pub(crate) fn node_failed(&self, node: NodeId) {
        let mut state = self.state.lock();
        let Some(report) = state.reports.get_mut(&node) else { return };
        if std::mem::replace(&mut report.has_failed, true) {
            return;
        }
        state.counts_changed();
        drop(state);
        self.change();
    }

    /// Applies a node's report, in order; the node has answered.
    pub(crate) fn node_reported(&self, node: NodeId, frames: Vec<Frame>) {
        let mut state = self.state.lock();
        let Some(report) = state.reports.get_mut(&node) else { return };
        let had_failed = std::mem::take(&mut report.has_failed);
        let is_news = had_failed || !frames.is_empty();
        if had_failed {
            state.counts_changed();
        }
        for frame in frames {
            state.take_report(node, frame);
        }
        drop(state);
        if is_news {
            self.change();
        }
    }
}

impl State {
    /// The number of nodes that know a room's members.
    pub(super) fn counts(reports: &BTreeMap<NodeId, Report>, room: &Pattern) -> Counts {
        if reports.is_empty() {
            return Counts::default();
        }
        let failed = reports.values().filter(|report| report.has_failed).count();
        let answered = reports.values().filter(|report| !report.has_failed && report.rooms.contains_key(room)).count();
        Counts { asked: reports.len(), answered, failed }
    }

    fn take_report(&mut self, node: NodeId, frame: Frame) {
        let Frame { channel: room, here, join, leave, .. } = frame;
        if self.rooms.get(&room).is_none_or(|room| room.watchers.is_empty()) {
            return;
        }
        let Some(report) = self.reports.get_mut(&node) else { return };
        let mut members = match (report.rooms.remove(&room), here) {
            (Some(members), None) => members,
            (before, Some(here)) => {
                if before.is_none()
                    && let Some(room) = self.rooms.get_mut(&room)
                {
                    room.counts_changed();
                }
                let (before, here) = (before.unwrap_or_default(), BTreeSet::from_iter(here));
                for member in before.difference(&here) {
                    self.exit(&room, member, None);
                }
                for member in here.difference(&before) {
                    self.enter(&room, member);
                }
                here
            }
            // Changes to a list that is still to come are ignored.
            (None, None) => return,
        };
        for member in join {
            if members.insert(member.clone()) {
                self.enter(&room, &member);
            }
        }
        for member in leave {
            if members.remove(&member) {
                self.exit(&room, &member, None);
            }
        }
        if let Some(report) = self.reports.get_mut(&node) {
            report.rooms.insert(room.clone(), members);
        }
        self.dirty.insert(room);
    }

    /// Marks all rooms for an announcement, because another number of nodes knows their members.
    fn counts_changed(&mut self) {
        self.rooms.values_mut().for_each(Room::counts_changed);
        self.dirty.extend(self.rooms.keys().cloned());
    }
}

#[cfg(test)]
mod tests;
