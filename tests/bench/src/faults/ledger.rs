//! The events that one reader has received and the gaps that it was sent, in order.

use std::{collections::HashSet, iter::Sum};

/// The losses of one reader, or of several together.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    /// Acknowledged events that were never received, without a gap.
    pub(super) silent: u64,
    /// Acknowledged events that were never received, where a gap was reported.
    pub(super) told: u64,
    /// Gaps where nothing was missed.
    pub(super) needless: u64,
    /// Events that were received more than once.
    pub(super) twice: u64,
}

impl Sum for Missed {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::default(), |sum, one| Self {
            silent: sum.silent + one.silent,
            told: sum.told + one.told,
            needless: sum.needless + one.needless,
            twice: sum.twice + one.twice,
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Heard(u64),
    Gap,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: Vec<Entry>,
    /// The id to resume from.
    pub(super) id: Option<String>,
}

impl Ledger {
    pub(super) fn heard(&mut self, stamp: u64) {
        self.entries.push(Entry::Heard(stamp));
    }

    pub(super) fn gap(&mut self) {
        self.entries.push(Entry::Gap);
    }

    /// The losses among the acknowledged events, in the order of their stamps, from the first received event on. A gap
    /// covers the events published between the event received before it and the one received after it.
    pub(super) fn judge(&self, acknowledged: &[u64]) -> Missed {
        let mut missed = Missed::default();
        let mut heard = HashSet::new();
        for entry in &self.entries {
            if let Entry::Heard(stamp) = entry {
                missed.twice += u64::from(!heard.insert(*stamp));
            }
        }
        let (mut last, mut is_told) = (None, false);
        let mut between = |from: Option<u64>, to: u64, is_told: bool| {
            let Some(from) = from else { return };
            let unheard = acknowledged.iter().filter(|stamp| from < **stamp && **stamp < to && !heard.contains(stamp));
            let unheard = unheard.count() as u64;
            match (is_told, unheard) {
                (true, 0) => missed.needless += 1,
                (true, _) => missed.told += unheard,
                (false, _) => missed.silent += unheard,
            }
        };
        for entry in &self.entries {
            match entry {
                Entry::Gap => is_told = true,
                Entry::Heard(stamp) if last.is_none_or(|last| *stamp > last) => {
                    between(last, *stamp, is_told);
                    (last, is_told) = (Some(*stamp), false);
                }
                Entry::Heard(_) => {}
            }
        }
        between(last, u64::MAX, is_told);
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(entries: &[Option<u64>]) -> Missed {
        let mut ledger = Ledger::default();
        for entry in entries {
            match entry {
                Some(stamp) => ledger.heard(*stamp),
                None => ledger.gap(),
            }
        }
        ledger.judge(&[1, 2, 3, 4, 5])
    }

    #[test]
    fn an_event_neither_received_nor_reported_is_missed_silently() {
        assert_eq!(judged(&[Some(1), Some(4), Some(5)]), Missed { silent: 2, ..Missed::default() });
        assert_eq!(
            judged(&[Some(2), Some(3)]),
            Missed { silent: 2, ..Missed::default() },
            "from the first received event on"
        );
    }

    #[test]
    fn events_that_a_gap_covers_are_reported() {
        assert_eq!(judged(&[Some(1), None, Some(4), Some(5)]), Missed { told: 2, ..Missed::default() });
        assert_eq!(judged(&[Some(1), Some(2), Some(3), None]), Missed { told: 2, ..Missed::default() });
    }

    #[test]
    fn a_gap_without_a_loss_is_needless() {
        let all = [Some(1), Some(2), None, Some(3), Some(4), Some(5)];
        assert_eq!(judged(&all), Missed { needless: 1, ..Missed::default() });
    }

    #[test]
    fn a_repeated_event_counts_as_received_twice_and_hides_nothing() {
        let again = [Some(1), Some(2), Some(1), Some(2), Some(4), Some(5)];
        assert_eq!(judged(&again), Missed { silent: 1, twice: 2, ..Missed::default() });
    }
}
