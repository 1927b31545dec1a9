//! The simulation: the real hub on two nodes, the real client state machine in two to five tabs, and between and below
//! them a simulated engine, network and clock, all in one thread and decided by a seed.
//!
//! | | part | is |
//! |---|---|---|
//! | 1 | `schedule`, `op` | what happens, step by step, drawn from the seed before anything runs |
//! | | `scene` | steps that lead together where they rarely meet |
//! | 2 | `world` | carries it out, lets everything become well in the end, and asks the judges |
//! | 3 | `station` | a node: `tidings::simulation::Node` with its routes |
//! | 4 | `engine` | the log of all nodes, which fails as it is told to |
//! | 5 | `wire` | a stream's bytes on their way |
//! | 6 | `client` | a tab around `tidings_client::session::Session` |
//! | | `poller` | a client that polls instead |
//! | | `profile` | the locks and channels by which the tabs of one browser share a stream |
//! | 7 | `truth`, `shown`, `ear` | what really was in the log; the judge of what hubs show; and for each handler that of what it got |
//! | 8 | [`Sabotage`] | mistakes made on purpose, to judge the judges |
//! | 9 | [`shrink()`] | a schedule that fails, with all taken out that it can fail without |
//! | 10 | [`Campaign`] | many schedules, on all cores |
//! | 11 | [`Kept`] | schedules that once broke the promise, as lists of steps in `regressions/` |
//! | 12 | `shell` | the same world around the client as it is shipped, its Wasm and its JavaScript in Node |

mod campaign;
mod client;
mod ear;
mod engine;
mod journal;
mod kept;
mod op;
mod person;
mod pipe;
mod poller;
mod profile;
mod sabotage;
mod scene;
mod schedule;
mod shell;
mod shown;
mod shrink;
mod station;
mod tally;
#[cfg(test)]
mod tests;
mod truth;
mod wire;
mod world;

pub use campaign::{Campaign, Failure};
pub use kept::Kept;
pub use sabotage::Sabotage;
pub use shell::{ShellCampaign, ShellSabotage, ShellTally, told};
pub use shrink::{Shrunk, shrink};
pub use tally::Tally;

use journal::Journal;

/// Runs one schedule. What it needs of tokio is a runtime's clock; enter one before.
fn run(
    schedule: &schedule::Schedule,
    sabotage: Option<Sabotage>,
    journal: Journal,
) -> (Tally, Result<(), ear::Violation>) {
    // The hub spreads its delays by the thread's own numbers.
    fastrand::seed(schedule.seed);
    world::World::run(schedule.clone(), sabotage, journal)
}

/// Lends a schedule the clock of a runtime.
fn with_clock<T>(run: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime for its clock");
    let _entered = runtime.enter();
    run()
}
