//! A statistic of durations.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use ::metrics::Histogram;

/// A statistic of durations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The number of durations.
    pub count: u64,
    /// The sum of the durations.
    pub total: Duration,
    /// The longest duration.
    pub longest: Duration,
}

impl Timing {
    /// The average duration; zero where there were none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let count = self.count.max(1);
        Duration::from_nanos(u64::try_from(self.total.as_nanos() / u128::from(count)).unwrap_or(u64::MAX))
    }
}

/// The count and the sum of durations, and the recorder's histogram.
#[derive(Debug)]
pub(super) struct Timer {
    count: AtomicU64,
    micros: AtomicU64,
    longest: AtomicU64,
    shown: Histogram,
    is_broken: AtomicBool,
}

impl Timer {
    pub(super) fn new(shown: Histogram) -> Self {
        let (count, micros, longest) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { count, micros, longest, shown, is_broken: AtomicBool::new(false) }
    }

    pub(super) fn add(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        self.longest.fetch_max(micros, Ordering::Relaxed);
        // The recorder belongs to the application. After it has panicked once, it is not called again.
        if !self.is_broken.load(Ordering::Relaxed)
            && catch_unwind(AssertUnwindSafe(|| self.shown.record(time))).is_err()
        {
            self.is_broken.store(true, Ordering::Relaxed);
            tracing::error!("the metrics recorder panicked; the hub records no more durations in it");
        }
    }

    pub(super) fn timing(&self) -> Timing {
        Timing {
            count: self.count.load(Ordering::Relaxed),
            total: Duration::from_micros(self.micros.load(Ordering::Relaxed)),
            longest: Duration::from_micros(self.longest.load(Ordering::Relaxed)),
        }
    }
}
