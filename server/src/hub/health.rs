//! Figures of a hub, its health and its end.

use std::{sync::atomic::Ordering, time::Duration};

use super::{Hub, patience::SILENCE};
use crate::{clock::millis, meter::Stats};

impl Hub {
    /// The hub's figures right now, and what it has counted. Each call looks at every open stream.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// Whether the hub can do its work: the engine's tail is alive, which it proves every [2 s](crate::engine::TAIL_BEAT), and the hub neither
    /// [drains](Self::drain) nor has had to end its streams, because one of its tasks panicked by a fault of the engine or of
    /// this crate. For a health check: it is `false` 5 s after the tail fell silent, and `true` again once the tail is back.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let heard = self.inner.shared.tail_heard_ms.load(Ordering::Relaxed);
        !self.is_draining() && self.now_ms().saturating_sub(heard) <= millis(SILENCE)
    }

    /// Shuts the hub down: new streams are refused with 503, every open one is told `closing {reason: drain}` with a delay
    /// spread over a second, so that the clients do not return all at once, and ends. Returns when the last one is gone, or
    /// at the deadline.
    pub async fn drain(&self, deadline: Duration) {
        let shared = &self.inner.shared;
        shared.end_streams();
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
