//! What the hub and its tasks share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidings_protocol::frame::{Closing, ClosingReason};
use tokio::sync::Notify;

use super::{history::History, nodes::Nodes, patience::SILENCE};
use crate::{
    clock::{Clock, millis},
    complaints::Complaints,
    core::Core,
    peers::NodeId,
};

/// What the hub and its tasks share.
pub(super) struct Shared {
    /// Names this node among those of the log.
    pub(super) node: NodeId,
    pub(super) core: Core,
    pub(super) clock: Clock,
    /// Something was applied that nobody has been woken for.
    pub(super) applied: Notify,
    /// A stream was closed; a drain waits for the last.
    pub(super) closed: Notify,
    /// Somebody has answered a challenge.
    pub(super) answered: Notify,
    pub(super) draining: AtomicBool,
    /// When the engine's tail last yielded something, be it that there is nothing, in the clock's milliseconds.
    pub(super) tail_heard_ms: AtomicU64,
    /// The tail stands still here, and another node has shown that the log goes on: no streams until it is alive again.
    pub(super) stands_aside: AtomicBool,
    /// The other nodes of the log.
    pub(super) nodes: Nodes,
    /// One of them has not heard of this one yet.
    pub(super) newcomer: Notify,
    pub(super) history: History,
    pub(super) complaints: Complaints,
}

impl Shared {
    /// The engine's tail is alive.
    pub(super) fn is_following(&self) -> bool {
        let heard = self.tail_heard_ms.load(Ordering::Relaxed);
        self.clock.now_ms().saturating_sub(heard) <= millis(SILENCE)
    }

    /// No streams are opened.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire) || self.stands_aside.load(Ordering::Acquire)
    }

    /// Ends all streams where the tail is dead here and the log goes on elsewhere, so that their clients go there. Where no other node shows
    /// that, they stay: all nodes may be cut off from the log, and there is nowhere to go.
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

    /// Ends all streams, and lets no more be opened.
    pub(super) fn end_streams(&self) {
        self.draining.store(true, Ordering::Release);
        self.core.close_all(|_| draining());
    }
}

/// The last frame of a stream that is drained. Its delay is spread, so that the clients do not return all at once.
pub(super) fn draining() -> Closing {
    Closing { reason: ClosingReason::Drain, retry_ms: fastrand::u64(..1_000) }
}
