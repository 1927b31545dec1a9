//! The waits before retries: exponential back-off with full jitter, so that many clients that lost their server do not
//! return at once.

/// The random numbers of one client: SplitMix64, seeded from outside, so that a run can be repeated.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on the seed alone.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to `limit`, both included.
    pub fn up_to(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        match limit.checked_add(1) {
            Some(bound) => z % bound,
            None => z,
        }
    }
}

/// How failed connections are retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The upper limit of the first, random wait, in milliseconds. Defaults to 1,000.
    pub base_ms: u64,
    /// The upper limit of every wait, in milliseconds. Defaults to 30,000.
    pub cap_ms: u64,
    /// The number of failed attempts in a row after which the client gives up. Defaults to never.
    pub max_attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base_ms: 1_000, cap_ms: 30_000, max_attempts: u32::MAX }
    }
}

impl Backoff {
    /// The wait before the attempt that follows `failures` failures in a row, in milliseconds: uniform in
    /// `0 ..= min(cap, base · 2^(failures - 1))` ("full jitter", the AWS Architecture Blog's *Exponential Backoff And
    /// Jitter*).
    pub fn wait(&self, failures: u32, random: &mut Random) -> u64 {
        let doublings = failures.saturating_sub(1).min(63);
        // Not a saturating multiplication, which works in 128 bits, while Wasm has 64.
        let limit = if doublings < self.base_ms.leading_zeros() { self.base_ms << doublings } else { u64::MAX };
        random.up_to(self.cap_ms.min(limit))
    }
}

/// The earlier of two optional times.
#[inline(never)]
pub(crate) fn sooner(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest(failures: u32) -> u64 {
        let mut random = Random::new(7);
        (0..2_000).map(|_| Backoff::default().wait(failures, &mut random)).max().unwrap()
    }

    #[test]
    fn the_limit_doubles_up_to_the_cap() {
        for (failures, limit) in [(0, 1_000), (1, 1_000), (2, 2_000), (5, 16_000), (6, 30_000), (200, 30_000)] {
            let longest = longest(failures);
            assert!(longest <= limit && longest > limit * 95 / 100, "{failures}: {longest}");
        }
    }

    #[test]
    fn waits_are_spread_over_the_whole_range() {
        let mut random = Random::new(7);
        let mut tenths = [0; 10];
        for _ in 0..10_000 {
            tenths[usize::try_from(random.up_to(999) / 100).unwrap()] += 1;
        }
        assert!(tenths.iter().all(|&count| (850..1_150).contains(&count)), "{tenths:?}");
    }

    #[test]
    fn a_seed_repeats_its_waits() {
        let waits = |seed| {
            let mut random = Random::new(seed);
            [1, 2, 3].map(|failures| Backoff::default().wait(failures, &mut random))
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
