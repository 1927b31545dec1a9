//! The other nodes of the log that are alive, known by the beats that they send. Synchronous, and without a clock: time
//! is passed in.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tidings_protocol::Cursor;

use crate::peers::NodeId;

/// How often a node sends its beat to all others.
pub(super) const BEAT_MS: u64 = 2_000;
/// How long a node may be silent before it counts as gone.
pub(super) const LEASE_MS: u64 = 8_000;
/// How long the number of a node's last beat is remembered: longer than a message is under way.
const REMEMBERED_MS: u64 = 3_600_000;

/// The message by which a node tells all others that it is alive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Beat {
    pub(super) node: NodeId,
    /// Counts the node's beats, from 1, because one may arrive after a later one.
    pub(super) number: u64,
    /// The node's version of Tidings, for people who read the figures.
    pub(super) version: String,
    pub(super) connections: usize,
    pub(super) head: Cursor,
    /// Whether the node's tail is alive.
    pub(super) is_following: bool,
    pub(super) is_draining: bool,
}

#[derive(Debug, Default)]
pub(super) struct Nodes {
    heard: Mutex<HashMap<NodeId, (u64, Beat)>>,
    /// How many beats this node has made.
    beats: AtomicU64,
}

impl Nodes {
    /// The number of this node's next beat.
    pub(super) fn next_number(&self) -> u64 {
        self.beats.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Records a beat of another node, unless it is older than the last one. Returns whether the node is new, so that
    /// this node should send its own beat at once.
    pub(super) fn hear(&self, beat: Beat, now_ms: u64) -> bool {
        let mut heard = self.heard.lock();
        heard.retain(|_, (at, _)| now_ms.saturating_sub(*at) < REMEMBERED_MS);
        if heard.get(&beat.node).is_some_and(|(_, last)| last.number >= beat.number) {
            return false;
        }
        let before = heard.insert(beat.node, (now_ms, beat));
        before.is_none_or(|(at, _)| !is_there(at, now_ms))
    }

    /// The last beats of the nodes that are alive, by node id.
    pub(super) fn there(&self, now_ms: u64) -> Vec<Beat> {
        let heard = self.heard.lock();
        let there = heard.values().filter(|(at, _)| is_there(*at, now_ms));
        let mut there: Vec<_> = there.map(|(_, beat)| beat.clone()).collect();
        there.sort_by_key(|beat| beat.node);
        there
    }

    /// Whether another node has shown within the last two beats that the log goes on beyond this position.
    pub(super) fn goes_on_elsewhere(&self, head: Cursor, now_ms: u64) -> bool {
        let recent = |at: u64| now_ms.saturating_sub(at) <= 2 * BEAT_MS;
        let is_beyond = |beat: &Beat| {
            beat.is_following && !beat.is_draining && beat.head.epoch == head.epoch && beat.head.seq > head.seq
        };
        self.heard.lock().values().any(|(at, beat)| recent(*at) && is_beyond(beat))
    }
}

fn is_there(at: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(at) < LEASE_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beat of this number by a node that has read the log up to `seq`.
    fn beat(node: u32, number: u64, seq: u64) -> Beat {
        let head = Cursor { epoch: 1, seq, tag: 0 };
        let version = "0.1.0".to_owned();
        Beat { node: NodeId(node), number, version, connections: 3, head, is_following: true, is_draining: false }
    }

    #[test]
    fn a_node_that_is_silent_is_gone() {
        let nodes = Nodes::default();
        assert!(nodes.hear(beat(1, 1, 5), 0));
        assert!(!nodes.hear(beat(1, 2, 6), 2_000), "it was there");
        assert_eq!(nodes.there(9_999), [beat(1, 2, 6)]);
        assert_eq!(nodes.there(10_000), []);
        assert!(nodes.hear(beat(1, 3, 7), 10_000), "it is back");
    }

    #[test]
    fn a_beat_that_arrives_after_a_later_one_shows_nothing() {
        let nodes = Nodes::default();
        let here = Cursor { epoch: 1, seq: 5, tag: 0 };
        nodes.hear(Beat { is_following: false, ..beat(1, 2, 6) }, 0);
        assert!(!nodes.hear(beat(1, 1, 6), 1_000));
        assert!(!nodes.goes_on_elsewhere(here, 1_000), "it has said since that it does not follow");
        assert!(!nodes.hear(beat(1, 1, 6), 20_000), "it is gone, and an old message does not bring it back");
        assert_eq!(nodes.there(20_000), []);
    }

    #[test]
    fn only_somebody_who_follows_the_log_further_shows_that_it_goes_on() {
        let nodes = Nodes::default();
        let here = Cursor { epoch: 1, seq: 5, tag: 0 };
        nodes.hear(beat(1, 1, 5), 0);
        assert!(!nodes.goes_on_elsewhere(here, 0), "it stands there too");
        nodes.hear(beat(1, 2, 6), 0);
        assert!(nodes.goes_on_elsewhere(here, 4_000));
        assert!(!nodes.goes_on_elsewhere(here, 4_001), "it has not said so lately");
        nodes.hear(Beat { is_following: false, ..beat(1, 3, 6) }, 5_000);
        assert!(!nodes.goes_on_elsewhere(here, 5_000));
        nodes.hear(Beat { is_draining: true, ..beat(1, 4, 6) }, 5_000);
        assert!(!nodes.goes_on_elsewhere(here, 5_000));
        assert!(!nodes.goes_on_elsewhere(Cursor { epoch: 2, ..here }, 5_000), "that is another log");
    }
}
