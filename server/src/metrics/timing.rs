//! How long something took.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use ::metrics::Histogram;

/// So many took so long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How many.
    pub count: u64,
    /// All together.
    pub total: Duration,
    /// The longest of them.
    pub longest: Duration,
}

impl Timing {
    /// What one took on average; zero where there was none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let count = self.count.max(1);
        Duration::from_nanos(u64::try_from(self.total.as_nanos() / u128::from(count)).unwrap_or(u64::MAX))
    }
}

/// How many, and how long together.
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
        // The recorder is the application's. Once it has panicked it is shown nothing more.
        if !self.is_broken.load(Ordering::Relaxed)
            && catch_unwind(AssertUnwindSafe(|| self.shown.record(time))).is_err()
        {
            self.is_broken.store(true, Ordering::Relaxed);
            tracing::error!("the metrics recorder panicked; it is shown no more times");
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
