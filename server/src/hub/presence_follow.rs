//! Who is at the streams of all nodes, for those who watch it here: each node, this one included, is asked again and again what is new
//! ([`presence_feed`](super::presence_feed)), as long as somebody watches a room.
//!
//! A node that does not answer is one of which watchers are told so. It is gone when its beats have been missing for too long, and its users leave.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
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

/// How often it is looked whether a node is gone.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a node may take beyond what it holds a question.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait before a node is asked again that did not answer.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows all nodes that are there.
pub(super) async fn follow(shared: Arc<Shared>, peers: Arc<dyn Peers>) {
    let Some((presence, own)) = shared.core.cluster_presence().zip(shared.core.presence()) else { return };
    let mut tasks = JoinSet::new();
    let mut followed: HashMap<NodeId, AbortHandle> = HashMap::new();
    loop {
        let now_ms = shared.clock.now_ms();
        let others = shared.nodes.there(now_ms).into_iter().map(|beat| beat.node);
        let there: BTreeSet<_> = others.chain([shared.node]).collect();
        for (node, task) in followed.extract_if(|node, _| !there.contains(node)) {
            task.abort();
            // It has been silent for the lease already, which counts.
            presence.node_left(node, now_ms.saturating_add(presence.grace_ms.saturating_sub(LEASE_MS)));
        }
        for node in there {
            followed.entry(node).or_insert_with(|| {
                presence.node_joined(node);
                tasks.spawn(follow_one(shared.clone(), peers.clone(), node))
            });
        }
        shared.feeds.sweep(own, now_ms);
        tokio::select! {
            () = sleep(LOOK_INTERVAL) => {}
            () = shared.joined.notified() => {}
            // None ends by itself; the set forgets those that were aborted.
            Some(_) = tasks.join_next() => {}
        }
    }
}

async fn follow_one(shared: Arc<Shared>, peers: Arc<dyn Peers>, node: NodeId) {
    let Some(presence) = shared.core.cluster_presence() else { return };
    let mut watched = shared.watched.subscribe();
    let mut followed = Followed::default();
    loop {
        watched.mark_unchanged();
        let wanted = presence.watched_rooms();
        if wanted.is_empty() && followed.asked.is_empty() {
            // The hub is gone, should it fail.
            let _ = watched.changed().await;
            continue;
        }
        let request = followed.request(shared.node, &wanted);
        tokio::select! {
            answer = ask(&shared, &*peers, node, request) => match answer {
                Some(answer) => followed.take(node, wanted, answer, presence),
                None => {
                    followed = Followed::default();
                    presence.node_failed(node);
                    sleep(PAUSE).await;
                }
            },
            // The node is asked about other rooms at once; what it was about to say it says again.
            _ = watched.changed() => {}
        }
    }
}

/// How far a node was asked.
#[derive(Default)]
struct Followed {
    /// The number of its last answer.
    after: Option<u64>,
    /// What it reports of, as of that answer.
    reports: WatchedRooms,
    /// What it was ever asked to report of, and may.
    asked: HashSet<Pattern>,
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
        shared.feeds.answer(shared.core.presence(), request, shared.clock.now_ms()).await?
    } else {
        peers.call(node, Shared::feed_question(request), HOLD + PATIENCE).await.ok()?
    };
    serde_json::from_slice(&answer).ok()
}
