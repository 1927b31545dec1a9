//! Figures of a hub, its health and its end.

use std::time::Duration;

use super::Hub;
use crate::metrics::Stats;

impl Hub {
    /// The hub's figures right now, and what it has counted. Each call looks at every open stream.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// Whether the hub can do its work: the engine's tail is alive, which it proves every [2 s](crate::engine::TAIL_BEAT), and the hub neither
    /// [drains](Self::drain) nor has had to end its streams, because one of its tasks panicked by a fault of the engine or of
    /// this crate. For a health check: it is `false` 5 s after the tail fell silent, and `true` again once the tail is back. Where
    /// another node has shown meanwhile that the log goes on, the hub ends its streams, and opens none until its tail is back.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.is_draining() && self.inner.shared.is_following()
    }

    /// Shuts the hub down: new streams are refused with 503, every open one is told `closing {reason: drain}` with a delay
    /// spread over a second, so that the clients do not return all at once, and ends. Returns when the last one is gone, or
    /// at the deadline.
    pub async fn drain(&self, deadline: Duration) {
        let shared = &self.inner.shared;
        shared.end_streams();
        // The other nodes hear of it at once.
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
