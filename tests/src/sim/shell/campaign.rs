//! Many schedules, on all cores, with one Node process per core.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{host::Host, op::Op, sabotage::ShellSabotage, schedule::Schedule, tally::ShellTally, world::World};
use crate::sim::{Failure, ear::Violation, journal::Journal, shrink::shorten, with_clock};

/// The seeds to run, and the sabotage meanwhile.
#[derive(Debug, Clone, Copy)]
pub struct ShellCampaign {
    /// The first seed.
    pub from: u64,
    /// The number of seeds.
    pub seeds: u64,
    /// The fault that is put back, if any.
    pub sabotage: Option<ShellSabotage>,
    /// After this many failures the campaign stops.
    pub enough: usize,
}

impl ShellCampaign {
    /// Runs the seeds, all of them or until there are enough failures. Returns the counts, a hash of all messages to
    /// and from pages, and the failures, by seed.
    ///
    /// # Panics
    ///
    /// If Node cannot be started, or ends.
    #[must_use]
    pub fn run(self) -> (ShellTally, u64, Vec<Failure>) {
        let next = AtomicU64::new(self.from);
        let failed = AtomicUsize::new(0);
        let results = Mutex::new((ShellTally::default(), 0, Vec::new()));
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = threads.min(usize::try_from(self.seeds.div_ceil(8)).unwrap_or(1).max(1));
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let mut host = Host::start();
                    with_clock(|| {
                        loop {
                            let seed = next.fetch_add(1, Ordering::Relaxed);
                            if seed >= self.from + self.seeds || failed.load(Ordering::Relaxed) >= self.enough {
                                break;
                            }
                            let (counts, result) =
                                run(&mut host, &Schedule::of(seed), self.sabotage, Journal::default());
                            let mut results = results.lock().expect("no thread panicked");
                            results.0.add(&counts);
                            results.1 ^= host.trace;
                            if let Err(Violation { rule, detail }) = result {
                                failed.fetch_add(1, Ordering::Relaxed);
                                results.2.push(Failure { seed, rule, detail });
                            }
                        }
                    });
                });
            }
        });
        let (tally, trace, mut failures) = results.into_inner().expect("no thread panicked");
        failures.sort_by_key(|failure| failure.seed);
        (tally, trace, failures)
    }
}

fn run(
    host: &mut Host,
    schedule: &Schedule,
    sabotage: Option<ShellSabotage>,
    journal: Journal,
) -> (ShellTally, Result<(), Violation>) {
    fastrand::seed(schedule.seed);
    World::run(host, schedule, sabotage, journal)
}

/// The shortest schedule found that breaks the same rule as this seed's schedule, if it breaks one: its steps, what
/// happened, and its end.
#[must_use]
pub fn told(seed: u64, sabotage: Option<ShellSabotage>) -> Option<String> {
    let mut host = Host::start();
    with_clock(|| {
        let mut schedule = Schedule::of(seed);
        let rule = run(&mut host, &schedule, sabotage, Journal::default()).1.err()?.rule;
        schedule.ops = shorten(schedule.ops.clone(), |ops: &[Op]| {
            let shorter = Schedule { ops: ops.to_vec(), ..schedule.clone() };
            run(&mut host, &shorter, sabotage, Journal::default()).1.is_err_and(|violation| violation.rule == rule)
        });
        let journal = Journal::kept();
        let violation = run(&mut host, &schedule, sabotage, journal.clone()).1.err()?;
        let lines = journal.lines().iter().map(|line| format!("      | {line}\n")).collect::<String>();
        let Schedule { hub, pages, nudge, stays_frozen, .. } = &schedule;
        let setup = format!("{hub:?}\n  {pages:?}\n  {nudge:?}, stays frozen: {stays_frozen}");
        Some(format!("  {setup}\n{lines}      broken: {}: {}", violation.rule, violation.detail))
    })
}
