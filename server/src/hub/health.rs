//! Figures of a hub, its health and its shutdown.

use std::time::Duration;

use super::Hub;
use crate::metrics::Stats;

impl Hub {
    /// The hub's figures now, and its counters. Each call looks at every open stream.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// Whether the hub can do its work, for a health check. That needs a live engine tail, which proves itself every [2
    /// s](crate::engine::TAIL_BEAT); a hub that is not [draining](Self::drain); and a hub that did not end its streams
    /// because one of its tasks panicked by a fault of the engine or of this crate. The answer is `false` 5 s after the
    /// tail fell silent, and `true` again once the tail is back. If another node shows meanwhile that the log goes on,
    /// the hub ends its streams, and opens none until its own tail is back.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.is_draining() && self.inner.shared.is_following()
    }

    /// Shuts the hub down. New streams are refused with 503. Every open stream receives `closing {reason: drain}` and
    /// ends; its reconnect delay is spread over a second, so that the clients do not return all at once. Returns when
    /// the last stream has ended, or at the deadline.
    pub async fn drain(&self, deadline: Duration) {
        let shared = &self.inner.shared;
        shared.end_streams();
        // The other nodes learn of it at once.
        shared.newcomer.notify_one();
        let all_gone = async {
            loop {
                let closed = shared.closed.notified();
                if self.core().connections() == 0 {
                    break;
                }
                closed.await;
            }
        };
        let _ = tokio::time::timeout(deadline, all_gone).await;
    }
}
