//! The presence of all nodes of a log: what each of them reports of its own streams, joined.
//!
//! Each node, this one included, reports who is at its streams in the rooms that somebody watches here: first all of them, then who comes
//! and goes. A member is in a room as long as one node reports so. Who watches is told how many nodes there are and how many have
//! answered, so that nobody takes a part for the whole.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use tidings_protocol::{
    Pattern,
    frame::{Member, Presence as Frame},
};

use super::{Presence, PresenceSettings, state::State};
use crate::peers::NodeId;

/// What one node has reported.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// It did not answer when it was asked last.
    has_failed: bool,
    /// Its own members. A room is missing until it has reported all of them.
    pub(super) rooms: HashMap<Pattern, BTreeSet<Member>>,
}

/// How many nodes know who is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// How many there are.
    pub(super) asked: usize,
    /// How many have reported all of the room's members, and still answer.
    pub(super) answered: usize,
    /// How many do not answer; others just have not yet.
    pub(super) failed: usize,
}

impl Default for Counts {
    /// Those of one node.
    fn default() -> Self {
        Self { asked: 1, answered: 1, failed: 0 }
    }
}

impl Counts {
    pub(super) fn is_complete(self) -> bool {
        self.answered == self.asked
    }
}

/// The rooms that somebody watches, each with a number that is another one where nobody watched it in between.
pub(crate) type WatchedRooms = HashMap<Pattern, u64>;

impl Presence {
    /// That of all nodes of a log, of which this one is the first.
    pub(crate) fn of_cluster(settings: PresenceSettings, own: NodeId) -> Self {
        let presence = Self::new(settings);
        presence.state.lock().reports.insert(own, Report::default());
        presence
    }

    /// The rooms of which nodes are to report.
    pub(crate) fn watched_rooms(&self) -> WatchedRooms {
        let state = self.state.lock();
        let watched = state.rooms.iter().filter(|(_, room)| !room.watchers.is_empty());
        watched.map(|(name, room)| (name.clone(), room.generation)).collect()
    }

    /// Another number whenever [`watched_rooms`](Self::watched_rooms) are others.
    pub(crate) fn watched_revision(&self) -> u64 {
        self.state.lock().watched_revision
    }

    /// There is another node, which has reported nothing yet.
    pub(crate) fn node_joined(&self, node: NodeId) {
        self.state.lock().reports.entry(node).or_default();
    }

    /// A node is gone. Who was there by its streams leaves at this time, unless they are somewhere else.
    pub(crate) fn node_left(&self, node: NodeId, until_ms: u64) {
        let mut state = self.state.lock();
        let Some(report) = state.reports.remove(&node) else { return };
        for (room, members) in report.rooms {
            for member in members {
                state.exit(&room, &member, Some(until_ms));
            }
        }
        state.look_at_all();
        drop(state);
        self.change();
    }

    /// A node does not answer. What it has reported stands until it is gone, and watchers are told.
    pub(crate) fn node_failed(&self, node: NodeId) {
        let mut state = self.state.lock();
        let Some(report) = state.reports.get_mut(&node) else { return };
        if std::mem::replace(&mut report.has_failed, true) {
            return;
        }
        state.look_at_all();
        drop(state);
        self.change();
    }

    /// Takes what a node reports, in order; it has answered.
    pub(crate) fn node_reported(&self, node: NodeId, frames: Vec<Frame>) {
        let mut state = self.state.lock();
        let Some(report) = state.reports.get_mut(&node) else { return };
        let had_failed = std::mem::take(&mut report.has_failed);
        let is_news = had_failed || !frames.is_empty();
        if had_failed {
            state.look_at_all();
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
    /// How many nodes know who is in a room.
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
                let (before, here) = (before.unwrap_or_default(), BTreeSet::from_iter(here));
                for member in before.difference(&here) {
                    self.exit(&room, member, None);
                }
                for member in here.difference(&before) {
                    self.enter(&room, member);
                }
                here
            }
            // Changes of a list that is still to come.
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

    /// Something is another for all rooms.
    fn look_at_all(&mut self) {
        self.dirty.extend(self.rooms.keys().cloned());
    }
}

#[cfg(test)]
mod tests;
