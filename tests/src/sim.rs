//! The simulation: the real hub on one to three nodes, the real client state machine in two to five tabs, and between and below
//! them a simulated engine, network and clock, all in one thread and decided by a seed.
//!
//! In schedules of the seeds from [`PRESENCE_SEEDS`] on (`sim --presence`) the hubs know who is present, and clients watch lists of it. At
//! the end, when nothing has changed for as long as
//! the specification allows, each list is compared with the streams that there are (`world/presence.rs`); in half of those with
//! several hubs also while one hub does not answer, after it counts as gone, and when it is back.
//!
//! | | part | is |
//! |---|---|---|
//! | 1 | `schedule`, `op` | the steps of a run, drawn from the seed before anything runs |
//! | | `scene` | steps that belong together and rarely meet by chance |
//! | 2 | `world` | carries the steps out, ends all faults, and asks the judges |
//! | 3 | `station` | a node: `tidings::simulation::Node` with its routes |
//! | 4 | `engine` | the log of all nodes, which fails on command |
//! | | `bus` | the way between the nodes, which loses messages, and brings them late or twice |
//! | 5 | `wire` | the bytes of a stream in flight |
//! | 6 | `client` | a tab around `tidings_client::client::ClientCore` |
//! | | `poller` | a client that polls instead |
//! | | `profile` | the locks and channels by which the tabs of one browser share a stream |
//! | 7 | `truth`, `shown`, `ear` | the true content of the log; the judge of what hubs send; and the judge of what each handler received |
//! | | `roster` | the list of a presence handler, and the judge of what it was told |
//! | 8 | [`Sabotage`] | deliberate mistakes, to test the judges |
//! | 9 | [`shrink()`] | a failing schedule, reduced to the steps that it needs to fail |
//! | 10 | [`Campaign`] | many schedules, on all cores |
//! | 11 | [`Kept`] | schedules that once broke the promise, as lists of steps in `regressions/` |
//! | 12 | `shell` | the same world around the shipped client, its Wasm and its JavaScript in Node |

mod bus;
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
mod roster;
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
pub use schedule::PRESENCE_SEEDS;
pub use shell::{ShellCampaign, ShellSabotage, ShellTally, told};
pub use shrink::{Shrunk, shrink};
pub use tally::Tally;

use journal::Journal;

/// Runs one schedule. It needs only the clock of a tokio runtime; enter one before.
fn run(
    schedule: &schedule::Schedule,
    sabotage: Option<Sabotage>,
    journal: Journal,
) -> (Tally, Result<(), ear::Violation>) {
    // The hub randomizes its delays with the thread's generator.
    fastrand::seed(schedule.seed);
    world::World::run(schedule.clone(), sabotage, journal)
}

/// Runs a schedule with the clock of a runtime.
fn with_clock<T>(run: impl FnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime for its clock");
    let _entered = runtime.enter();
    run()
}
