//! The bounds of a log, and the age of records, independent of jumps of the wall clock.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::millis;

/// The bounds of a log. Records leave from the front when any of the three bounds is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// The most records.
    pub records: u64,
    /// The most bytes of records, as the engine counts them.
    pub bytes: u64,
    /// The greatest age of a record.
    pub age: Duration,
}

/// How many times faster than real time the clock of a log may go to catch up with the wall clock.
const CATCH_UP: u64 = 10;

/// The clock by which the age of records is counted. It follows the wall clock, but never goes backwards, and forwards
/// at most ten times as fast as time passes. So a wall clock that jumps a week ahead for a minute ages the log by ten
/// minutes and not by a week; and a log that was closed for a day has caught up after about two and a half hours, until
/// when it keeps records for longer.
#[derive(Debug, Clone, Copy)]
pub struct AgeClock {
    /// The time that this clock has reached, in milliseconds since 1970.
    now_ms: u64,
    at: Instant,
}

impl AgeClock {
    /// A clock that starts at this time: the time at which it stood when the log was closed or, for a new log, the wall
    /// clock's.
    #[must_use]
    pub fn starting_at(now_ms: u64) -> Self {
        Self { now_ms, at: Instant::now() }
    }

    /// Follows the wall clock. Returns the time by which ages are counted, in milliseconds since 1970.
    pub fn follow(&mut self, wall_ms: u64) -> u64 {
        let at = Instant::now();
        let passed = millis(at.saturating_duration_since(self.at)).saturating_mul(CATCH_UP);
        self.at = at;
        self.now_ms = self.now_ms.max(wall_ms.min(self.now_ms.saturating_add(passed)));
        self.now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000;

    #[tokio::test(start_paused = true)]
    async fn a_wall_clock_that_jumps_ahead_for_a_minute_ages_nothing_by_a_week() {
        let start = 1_000 * HOUR;
        let mut clock = AgeClock::starting_at(start);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(clock.follow(start + 168 * HOUR) <= start + 600_000);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(clock.follow(start + 120_000) <= start + 600_000, "and it is right again");
    }

    #[tokio::test(start_paused = true)]
    async fn the_age_clock_catches_up_with_the_wall_clock_and_never_goes_back() {
        let start = 1_000 * HOUR;
        let mut clock = AgeClock::starting_at(start);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(clock.follow(start + 8 * HOUR), start + 8 * HOUR);
        assert_eq!(clock.follow(start), start + 8 * HOUR);
    }
}
