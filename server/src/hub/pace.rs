//! How long wake-ups are held back, by the load.

use std::time::Duration;

/// The longest.
const LONGEST: Duration = Duration::from_millis(20);
/// For each connection that the last round woke: twice what a write to one costs, so that one fan-out after the other leaves a
/// processor half free.
const PER_WAKE: Duration = Duration::from_micros(14);
/// Where it begins when records come faster than rounds.
const SHORTEST: Duration = Duration::from_millis(1);

/// The larger of two measures of the load: how many connections a round woke, and whether records come faster than rounds,
/// where each such round doubles the interval and any other halves it. (Few connections under a flood wake seldom enough by the
/// second only; a thousand under a steady stream of single records by the first only.)
#[derive(Debug, Default)]
pub(super) struct Pace {
    crowded: Duration,
}

impl Pace {
    /// For how long from its beginning a round holds back the next, if it told so many connections of so many records.
    pub(super) fn hold(&mut self, records: u64, woken: usize) -> Duration {
        self.crowded = if records > 1 { (self.crowded * 2).clamp(SHORTEST, LONGEST) } else { self.crowded / 2 };
        let wide = PER_WAKE.saturating_mul(u32::try_from(woken).unwrap_or(u32::MAX)).min(LONGEST);
        self.crowded.max(wide)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_few_who_hear_single_records_do_not_wait() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            assert!(pace.hold(1, 49) < millis(1));
        }
    }

    #[test]
    fn a_round_that_woke_many_holds_back_the_next() {
        let mut pace = Pace::default();
        let holds = [50, 500, 1_000, 15_000, usize::MAX].map(|woken| pace.hold(1, woken));
        assert_eq!(holds, [700, 7_000, 14_000, 20_000, 20_000].map(Duration::from_micros));
        assert_eq!(pace.hold(1, 0), Duration::ZERO, "and nothing after that");
    }

    #[test]
    fn records_that_outrun_the_rounds_double_it_and_others_halve_it() {
        let mut pace = Pace::default();
        let faster: Vec<_> = (0..7).map(|_| pace.hold(2, 1)).collect();
        assert_eq!(faster, [1, 2, 4, 8, 16, 20, 20].map(millis));
        let slower: Vec<_> = (0..3).map(|_| pace.hold(1, 1)).collect();
        assert_eq!(slower, [millis(10), millis(5), millis(5) / 2]);
    }
}
