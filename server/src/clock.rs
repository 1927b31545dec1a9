//! The clock that drivers pass into the core.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The source of a hub's milliseconds, which are only ever compared with each other.
#[derive(Debug)]
pub(crate) enum Clock {
    /// Milliseconds since the hub was built.
    Running(Instant),
    /// A time set by hand, for the simulation.
    #[cfg(feature = "simulation")]
    Set(std::sync::atomic::AtomicU64, tokio::sync::Notify),
}

impl Clock {
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Self::Running(started) => millis(started.elapsed()),
            #[cfg(feature = "simulation")]
            Self::Set(now, _) => now.load(std::sync::atomic::Ordering::Relaxed),
        }
    }

    /// Waits for this long.
    pub(crate) async fn pause(&self, time: Duration) {
        match self {
            Self::Running(_) => tokio::time::sleep(time).await,
            #[cfg(feature = "simulation")]
            Self::Set(_, moved) => {
                let until = self.now_ms().saturating_add(millis(time));
                while self.now_ms() < until {
                    moved.notified().await;
                }
            }
        }
    }
}

/// Milliseconds since 1970, for timestamps.
pub(crate) fn wall_clock_ms() -> u64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
