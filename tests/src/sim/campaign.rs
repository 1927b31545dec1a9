//! Many schedules, on all cores.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{Sabotage, Tally, journal::Journal, run, schedule::Schedule};

/// The seeds to run, and the sabotage meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct Campaign {
    /// The first seed.
    pub from: u64,
    /// The number of seeds.
    pub seeds: u64,
    /// The sabotage, if any.
    pub sabotage: Option<Sabotage>,
    /// After this many failures the campaign stops.
    pub enough: usize,
}

/// A schedule that broke the promise.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The rule that it broke.
    pub rule: &'static str,
    /// The details of the violation.
    pub detail: String,
}

impl Campaign {
    /// Runs the seeds, all of them or until there are enough failures. Returns the counts and the failures, by seed.
    #[must_use]
    pub fn run(self) -> (Tally, Vec<Failure>) {
        let next = AtomicU64::new(self.from);
        let failed = AtomicUsize::new(0);
        let results = Mutex::new((Tally::default(), Vec::new()));
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                    let runtime = runtime.expect("a runtime for its clock");
                    let _entered = runtime.enter();
                    let (mut tally, mut failures) = (Tally::default(), Vec::new());
                    loop {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= self.from + self.seeds || failed.load(Ordering::Relaxed) >= self.enough {
                            break;
                        }
                        let (counts, result) = run(&Schedule::of(seed), self.sabotage, Journal::default());
                        tally.add(&counts);
                        failed.fetch_add(usize::from(result.is_err()), Ordering::Relaxed);
                        failures.extend(result.err().map(|violation| Failure {
                            seed,
                            rule: violation.rule,
                            detail: violation.detail,
                        }));
                    }
                    let mut results = results.lock().expect("no thread panicked");
                    results.0.add(&tally);
                    results.1.append(&mut failures);
                });
            }
        });
        let (tally, mut failures) = results.into_inner().expect("no thread panicked");
        failures.sort_by_key(|failure| failure.seed);
        (tally, failures)
    }
}
