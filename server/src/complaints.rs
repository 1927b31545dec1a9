//! Rate-limited log lines, for conditions that would otherwise be logged at every call: one line at once, then at most
//! one a minute, with the number of lines that were left out.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// The least time between two lines about one condition.
const PAUSE: Duration = Duration::from_secs(60);

/// The conditions that were logged.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    /// When the last line was written, and how many lines were left out since.
    conditions: Mutex<HashMap<&'static str, (Instant, u64)>>,
}

impl Complaints {
    /// Whether to write a line about this condition now; if so, the number of lines left out before.
    pub(crate) fn due(&self, condition: &'static str) -> Option<u64> {
        self.due_at(condition, Instant::now())
    }

    fn due_at(&self, condition: &'static str, now: Instant) -> Option<u64> {
        let mut conditions = self.conditions.lock();
        let Some((last, left_out)) = conditions.get_mut(condition) else {
            conditions.insert(condition, (now, 0));
            return Some(0);
        };
        if now.saturating_duration_since(*last) < PAUSE {
            *left_out += 1;
            return None;
        }
        *last = now;
        Some(std::mem::take(left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_logged_at_once_and_then_once_a_minute_with_a_count() {
        let complaints = Complaints::default();
        let start = Instant::now();
        let at = |second| complaints.due_at("full", start + Duration::from_secs(second));
        assert_eq!(at(0), Some(0));
        assert_eq!((1..=59).filter_map(at).count(), 0);
        assert_eq!(complaints.due_at("other", start), Some(0), "conditions are apart");
        assert_eq!(at(60), Some(59));
        assert_eq!(at(61), None);
        assert_eq!(at(121), Some(1));
    }
}
