//! Deadlines by the clock of the server that holds a log, so that the server itself refuses late appends.

use std::collections::VecDeque;

use tokio::time::Instant;

/// How many answers are remembered. More would outlive a correction that sets the server's clock back.
const SAMPLES: usize = 16;

/// An estimate of the clock of a log's server, from the times in its answers. The time in an answer is older than the
/// answer's arrival, so the estimate is never ahead of the server's clock, and a deadline is never later than it should
/// be.
#[derive(Debug, Default)]
pub struct ServerClock {
    samples: VecDeque<(Instant, i64)>,
}

impl ServerClock {
    /// Takes the time of an answer that has just arrived, in milliseconds since 1970.
    pub fn heard(&mut self, server_ms: i64) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back((Instant::now(), server_ms));
    }

    /// The server's time at this moment, or slightly earlier, in milliseconds since 1970; `i64::MIN` before the first
    /// answer.
    #[must_use]
    pub fn at(&self, moment: Instant) -> i64 {
        let reckon = |(heard, server_ms): &(Instant, i64)| {
            let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
            let later = millis(moment.saturating_duration_since(*heard));
            server_ms.saturating_add(later).saturating_sub(millis(heard.saturating_duration_since(moment)))
        };
        self.samples.iter().map(reckon).max().unwrap_or(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_quickest_answer_counts_and_a_clock_that_is_set_back_is_believed_in_the_end() {
        let mut clock = ServerClock::default();
        clock.heard(1_000);
        tokio::time::advance(Duration::from_millis(100)).await;
        // This answer took 40 ms to arrive.
        clock.heard(1_060);
        let deadline = Instant::now() + Duration::from_millis(300);
        assert_eq!(clock.at(deadline), 1_400);
        for _ in 0..SAMPLES {
            clock.heard(500);
        }
        assert_eq!(clock.at(deadline), 800);
    }
}
