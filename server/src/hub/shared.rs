//! What the hub and its tasks share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidings_protocol::frame::{Closing, ClosingReason};
use tokio::sync::Notify;

use super::history::History;
use crate::{clock::Clock, complaints::Complaints, core::Core};

/// What the hub and its tasks share.
pub(super) struct Shared {
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
    pub(super) history: History,
    pub(super) complaints: Complaints,
}

impl Shared {
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
