//! Rate limits per caller.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore};
use tidings_protocol::{ConnectionId, UserId, problem::Code};

use super::problem::Refusal;
use crate::Hub;

/// After how many calls the callers that have been quiet for long are removed.
const SWEEP_EVERY: u32 = 4_096;

/// A rate limit: how many times a second in the long run, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl Rate {
    /// This many times a second, and as many at once; 0 counts as 1.
    #[must_use]
    pub fn per_second(times: u32) -> Self {
        let times = NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN);
        Self { per_second: times, burst: times }
    }

    /// How many times at once, after a long enough pause; 0 counts as 1.
    #[must_use]
    pub fn burst(mut self, times: u32) -> Self {
        self.burst = NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN);
        self
    }
}

/// The unit that is rate-limited: a user, or what is known of an anonymous caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Caller {
    User(UserId),
    /// Anonymous callers are not counted by address, because behind an unconfigured proxy they would all be one.
    Connection(ConnectionId),
    Address(Option<IpAddr>),
}

/// The recent calls of each caller.
#[derive(Debug)]
pub(super) struct Rates<C: Clock> {
    limiter: RateLimiter<Caller, HashMapStateStore<Caller>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    asked: AtomicU32,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Wait(Duration),
    Never,
}

impl<C: Clock + Clone> Rates<C> {
    pub(super) fn new(rate: Rate, clock: C) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()), clock, asked: AtomicU32::new(0) }
    }

    pub(super) fn take(&self, caller: &Caller, times: NonZeroU32) -> Result<(), Denied> {
        // A caller whose limit has fully recovered is removed, because a new caller would be treated the same.
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key_n(caller, times) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(Denied::Wait(until.wait_time_from(self.clock.now()))),
            Err(_) => Err(Denied::Never),
        }
    }
}

/// The hub's clock, so that a simulation controls the rates too.
#[derive(Debug, Clone)]
pub(super) struct HubClock(pub(super) Hub);

impl Clock for HubClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms())
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Wait(delay) => Self::from(Code::TooManyRequests).retry_after(delay),
            Denied::Never => Self::new(
                Code::TooMany,
                "the request has more events than the rate limit allows at once; publish fewer",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn user(id: &str) -> Caller {
        Caller::User(UserId::new(id).unwrap())
    }

    fn once() -> NonZeroU32 {
        NonZeroU32::MIN
    }

    #[test]
    fn a_burst_then_a_rate_for_each_caller() {
        let clock = FakeRelativeClock::default();
        // The clock does not start at zero when the first call comes.
        clock.advance(Duration::from_secs(1_000));
        let rates = Rates::new(Rate::per_second(2).burst(3), clock.clone());
        clock.advance(Duration::from_secs(1_000));
        let (ana, bob) = (user("ana"), user("bob"));
        for _ in 0..3 {
            assert_eq!(rates.take(&ana, once()), Ok(()));
        }
        assert_eq!(rates.take(&ana, once()), Err(Denied::Wait(Duration::from_millis(500))));
        assert_eq!(rates.take(&bob, once()), Ok(()), "other callers are not limited");
        clock.advance(Duration::from_millis(500));
        assert_eq!(rates.take(&ana, once()), Ok(()));
        assert_eq!(rates.take(&ana, NonZeroU32::new(4).unwrap()), Err(Denied::Never), "more than a burst");
    }

    #[test]
    fn a_quiet_caller_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::new(Rate::per_second(1), clock.clone());
        for number in 0..SWEEP_EVERY {
            let _ = rates.take(&user(&number.to_string()), once());
            clock.advance(Duration::from_millis(10));
        }
        assert!(rates.limiter.len() < 400, "{} are remembered", rates.limiter.len());
    }
}
