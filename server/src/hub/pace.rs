//! How long wake-ups are held back, depending on the load.

use std::time::Duration;

/// The longest interval from the start of one round to the start of the next.
pub(super) const LONGEST: Duration = Duration::from_millis(20);
/// The load, as the part of the time that rounds would fill with one write per record, up to which nothing is held
/// back.
const BUSY: f64 = 0.8;
/// The load from which on the interval is the longest.
const FULL: f64 = 1.2;
/// The time constant with which past rounds fade.
const MEMORY: Duration = Duration::from_millis(250);

/// The figures of one round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    /// The number of records applied since the round before.
    pub(super) records: u64,
    /// The number of streams that the round woke.
    pub(super) woken: usize,
    /// The number of records written to streams meanwhile.
    pub(super) deliveries: u64,
    /// The time until all woken streams had been polled.
    pub(super) took: Duration,
}

impl Round {
    /// The average number of records that shared a write. Writes beyond the records of this round belong to streams
    /// that catch up, so they are not counted.
    #[allow(clippy::cast_precision_loss, reason = "counts of one round")]
    fn records_a_write(&self) -> f64 {
        (self.deliveries as f64 / self.woken.max(1) as f64).min(self.records as f64)
    }
}

/// The pace of the rounds. A round wakes the streams that receive the applied records, and lasts until these streams
/// have been polled. Records applied meanwhile leave with the next round. Where rounds would fill most of the time,
/// `Pace` puts an interval between them, so that several records share a write, which costs far less than a write for
/// each.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The time that rounds would have taken with one write per record, in seconds. It fades, like `passed`, the time
    /// in which they ran.
    needed: f64,
    passed: f64,
}

impl Pace {
    /// How long from its start a round holds back the next one. The round before started `since_last` earlier.
    pub(super) fn hold(&mut self, since_last: Duration, round: Round) -> Duration {
        let fade = (-since_last.as_secs_f64() / MEMORY.as_secs_f64()).exp();
        // A longer round waited for something other than its own work: the machine stood still, or a client does not
        // read.
        let took = round.took.min(LONGEST).as_secs_f64();
        self.needed = self.needed * fade + round.records_a_write() * took;
        self.passed = self.passed * fade + since_last.as_secs_f64();
        LONGEST.mul_f64(((self.load() - BUSY) / (FULL - BUSY)).clamp(0.0, 1.0))
    }

    /// The part of the time that rounds would fill with one write per record.
    fn load(&self) -> f64 {
        if self.passed > 0.0 { self.needed / self.passed } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// A round whose records reach a thousand streams.
    fn everybody(records: u64, took: Duration) -> Round {
        Round { records, woken: 1_000, deliveries: records * 1_000, took }
    }

    /// The hold after a second of such rounds.
    fn settled(interval: Duration, records: u64, took: Duration) -> Duration {
        let mut pace = Pace::default();
        let mut hold = Duration::MAX;
        for _ in 0..1_000 / interval.as_millis() {
            hold = pace.hold(interval, everybody(records, took));
        }
        hold
    }

    #[test]
    fn rounds_that_leave_time_hold_nothing_back() {
        assert_eq!(settled(millis(10), 1, millis(7)), Duration::ZERO);
        assert_eq!(settled(millis(1), 1, Duration::from_micros(100)), Duration::ZERO);
    }

    #[test]
    fn rounds_that_fill_the_time_are_kept_apart_by_the_longest_interval() {
        assert_eq!(settled(millis(5), 2, millis(5)), LONGEST);
    }

    /// Otherwise the interval would shrink as soon as it has grown.
    #[test]
    fn records_that_share_a_write_count_as_if_they_did_not() {
        assert_eq!(settled(millis(20), 6, millis(6)), LONGEST);
    }

    #[test]
    fn in_between_the_interval_grows_with_the_load() {
        let hold = settled(millis(10), 1, millis(10));
        assert!((millis(9)..millis(11)).contains(&hold), "{hold:?}");
    }

    #[test]
    fn records_for_one_stream_each_count_for_that_stream_only() {
        let round = Round { records: 500, woken: 1_500, deliveries: 1_500, took: millis(7) };
        assert_eq!(Pace::default().hold(millis(10), round), Duration::ZERO);
    }

    #[test]
    fn the_past_of_streams_that_catch_up_does_not_count() {
        let round = Round { records: 1, woken: 10, deliveries: 1_000_000, took: millis(7) };
        assert_eq!(Pace::default().hold(millis(10), round), Duration::ZERO);
    }

    #[test]
    fn a_quiet_second_makes_up_for_a_flood() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.hold(millis(20), everybody(20, millis(10)));
        }
        assert_eq!(pace.hold(millis(1_000), everybody(1, millis(5))), Duration::ZERO);
    }
}
