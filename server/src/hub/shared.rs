//! The state that the hub shares with its tasks.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidings_protocol::frame::{Closing, ClosingReason};
use tokio::sync::{Notify, watch};

use super::{history::History, nodes::Nodes, patience::SILENCE, presence_feed::Feeds};
use crate::{
    clock::{Clock, millis},
    complaints::Complaints,
    core::Core,
    peers::NodeId,
};

/// The state that the hub shares with its tasks.
pub(super) struct Shared {
    /// This node's id among the nodes of the log.
    pub(super) node: NodeId,
    pub(super) core: Core,
    pub(super) clock: Clock,
    /// Records were applied whose streams have not been woken yet.
    pub(super) applied: Notify,
    /// A stream was closed; a drain waits for the last one.
    pub(super) closed: Notify,
    /// A client has answered a challenge.
    pub(super) answered: Notify,
    pub(super) draining: AtomicBool,
    /// When the engine's tail last yielded something, an empty batch included, in the clock's milliseconds.
    pub(super) tail_heard_ms: AtomicU64,
    /// The tail stands still on this node and another node has shown that the log goes on: no streams are opened until
    /// the tail is alive again.
    pub(super) stands_aside: AtomicBool,
    /// The other nodes of the log.
    pub(super) nodes: Nodes,
    /// Signals that another node has not received this node's beat yet.
    pub(super) newcomer: Notify,
    /// Signals that a node has appeared for the first time.
    pub(super) joined: Notify,
    /// The feeds that report to other nodes who is at this node's streams.
    pub(super) feeds: Feeds,
    /// The current revision of the watched rooms
    /// ([`Presence::watched_revision`](crate::presence::Presence::watched_revision)).
    pub(super) watched: watch::Sender<u64>,
    pub(super) history: History,
    pub(super) complaints: Complaints,
}

impl Shared {
    /// Notes that the engine's tail has yielded a batch, so that it is alive.
    pub(super) fn hear_tail(&self) {
        self.tail_heard_ms.store(self.clock.now_ms(), Ordering::Relaxed);
    }

    /// Whether the engine's tail is alive.
    pub(super) fn is_following(&self) -> bool {
        let heard = self.tail_heard_ms.load(Ordering::Relaxed);
        self.clock.now_ms().saturating_sub(heard) <= millis(SILENCE)
    }

    /// Whether new streams are refused.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire) || self.stands_aside.load(Ordering::Acquire)
    }

    /// Ends all streams where the tail is dead on this node and the log goes on elsewhere, so that the clients go
    /// there. Where no other node shows that, the streams stay: all nodes may be cut off from the log, and there is
    /// nowhere to go.
    pub(super) fn step_aside_if_stalled(&self) {
        if self.is_following() {
            self.stands_aside.store(false, Ordering::Release);
        } else if self.nodes.goes_on_elsewhere(self.core.head(), self.clock.now_ms())
            && !self.stands_aside.swap(true, Ordering::AcqRel)
        {
            tracing::error!(
                "the engine's tail stands still here, and goes on at another node: streams end, so that clients go there"
            );
            self.core.close_all(|_| draining());
        }
    }

    /// Ends all streams, and refuses new ones.
    pub(super) fn end_streams(&self) {
        self.draining.store(true, Ordering::Release);
        self.core.close_all(|_| draining());
    }
}

/// The last frame of a stream that is drained. Its delay is random, so that the clients do not return all at once.
pub(super) fn draining() -> Closing {
    Closing { reason: ClosingReason::Drain, retry_ms: fastrand::u64(..1_000) }
}
