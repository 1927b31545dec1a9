//! Follows who is at the streams of all nodes, for those who watch rooms here: each node, this one included, is asked
//! repeatedly for news ([`presence_feed`](super::presence_feed)), as long as a room is watched.
//!
//! Watchers are told of a node that does not answer. The node is gone when its beats have been missing for too long,
//! and its users leave.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use tidings_protocol::{Pattern, frame::Presence as Frame};
use tokio::{
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{
    nodes::LEASE_MS,
    presence_feed::{FeedAnswer, FeedRequest, HOLD},
    shared::Shared,
};
use crate::{
    peers::{NodeId, Peers},
    presence::{Presence, WatchedRooms},
};

/// The interval of checks whether a node is gone.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How much longer a node may take than it holds a question.
const PATIENCE: Duration = Duration::from_secs(2);
/// The wait before a node that did not answer is asked again.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows all nodes of the log.
pub(super) async fn follow(shared: Arc<Shared>, peers: Arc<dyn Peers>) {
    let mut tasks = JoinSet::new();
    let mut followed: BTreeMap<NodeId, AbortHandle> = BTreeMap::new();
    loop {
        let start = |node| tasks.spawn(follow_one(shared.clone(), peers.clone(), node));
        let Some(gone) = look(&shared, &mut followed, start) else { return };
        gone.iter().for_each(AbortHandle::abort);
        tokio::select! {
            () = sleep(LOOK_INTERVAL) => {}
            () = shared.joined.notified() => {}
            // No task ends by itself; the set only removes those that were aborted.
            Some(_) = tasks.join_next() => {}
        }
    }
}

/// Looks once which nodes are there: starts to follow those that are new, and returns the tasks of those that are gone,
/// whose users leave. `None` where the hub has no presence.
pub(super) fn look<T>(
    shared: &Shared,
    followed: &mut BTreeMap<NodeId, T>,
    mut start: impl FnMut(NodeId) -> T,
) -> Option<Vec<T>> {
    let (presence, own) = shared.core.cluster_presence().zip(shared.core.presence())?;
    let now_ms = shared.clock.now_ms();
    let others = shared.nodes.there(now_ms).into_iter().map(|beat| beat.node);
    let there: BTreeSet<_> = others.chain([shared.node]).collect();
    let absent: Vec<_> = followed.keys().copied().filter(|node| !there.contains(node)).collect();
    let gone = absent.into_iter().filter_map(|node| {
        // The node has been silent for the whole lease already, and that time counts.
        presence.node_left(node, now_ms.saturating_add(presence.grace_ms.saturating_sub(LEASE_MS)));
        followed.remove(&node)
    });
    let gone = gone.collect();
    for node in there {
        followed.entry(node).or_insert_with(|| {
            presence.node_joined(node);
            start(node)
        });
    }
    shared.feeds.sweep(own, now_ms);
    Some(gone)
}

/// Asks one node again and again.
pub(super) async fn follow_one(shared: Arc<Shared>, peers: Arc<dyn Peers>, node: NodeId) {
    let Some(presence) = shared.core.cluster_presence() else { return };
    let mut watched = shared.watched.subscribe();
    let mut followed = Followed::default();
    loop {
        watched.mark_unchanged();
        let wanted = presence.watched_rooms();
        if wanted.is_empty() && followed.asked.is_empty() {
            // An error means that the hub is gone.
            let _ = watched.changed().await;
            continue;
        }
        let request = followed.request(shared.node, &wanted);
        tokio::select! {
            // In a fixed order, so that a simulation can repeat itself.
            biased;
            answer = ask(&shared, &*peers, node, request) => match answer {
                Some(answer) => followed.take(node, wanted, answer, presence),
                None => {
                    followed = Followed::default();
                    presence.node_failed(node);
                    shared.clock.pause(PAUSE).await;
                }
            },
            // The node is asked about other rooms at once, and repeats the news that it was about to send.
            _ = watched.changed() => {}
        }
    }
}

/// The position up to which a node was asked.
#[derive(Default)]
struct Followed {
    /// The number of its last answer.
    after: Option<u64>,
    /// The rooms that the node reports, as of that answer.
    reports: WatchedRooms,
    /// The rooms that the node was ever asked to report, and may report.
    asked: BTreeSet<Pattern>,
    /// The beginning of lists that are longer than an answer.
    frames: Vec<Frame>,
}

impl Followed {
    fn request(&mut self, own: NodeId, wanted: &WatchedRooms) -> FeedRequest {
        let is_new = |(room, generation): &(&Pattern, &u64)| self.reports.get(*room) != Some(*generation);
        let add: Vec<_> = wanted.iter().filter(is_new).map(|(room, _)| room.clone()).collect();
        let remove = self.asked.iter().filter(|room| !wanted.contains_key(*room)).cloned().collect();
        self.asked.extend(add.iter().cloned());
        FeedRequest { node: own, after: self.after, add, remove }
    }

    fn take(&mut self, node: NodeId, wanted: WatchedRooms, answer: FeedAnswer, presence: &Presence) {
        match answer {
            FeedAnswer::News { number, frames, more } => {
                self.after = Some(number);
                self.asked = wanted.keys().cloned().collect();
                self.reports = wanted;
                self.frames.extend(frames);
                if !more {
                    presence.node_reported(node, std::mem::take(&mut self.frames));
                }
            }
            FeedAnswer::Restart => *self = Self::default(),
        }
    }
}

/// Asks a node, or this one.
async fn ask(shared: &Shared, peers: &dyn Peers, node: NodeId, request: FeedRequest) -> Option<FeedAnswer> {
    let answer = if node == shared.node {
        shared.feeds.answer(shared.core.presence(), request, &shared.clock).await?
    } else {
        peers.call(node, Shared::feed_question(request), HOLD + PATIENCE).await.ok()?
    };
    serde_json::from_slice(&answer).ok()
}
