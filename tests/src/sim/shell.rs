//! The shell in the simulation: the shipped client, its Wasm and its JavaScript, on the globals of fake pages. The
//! world is the simulation's: real nodes, and a simulated log, network and clock. The pages are in a Node process that
//! the world starts and speaks to over a pipe (`tests/shell/`); the world decides by a seed what happens to them and
//! when.
//!
//! | | part | is |
//! |---|---|---|
//! | 1 | `schedule`, `op` | the steps of a run, drawn from the seed before anything runs |
//! | | `scene` | steps that belong together and rarely meet by chance |
//! | 2 | `world` | carries the steps out, ends all faults, and asks the judges |
//! | 3 | `host`, `protocol` | the process with the pages, and its messages |
//! | 4 | `page`, `stream` | a page's operations in flight |
//! | 5 | `browser` | the locks and channels that the pages of a browser share |
//! | | `alias` | stable names for values that a hub draws at random |
//! | 6 | `handler` | the judge of a handler, who knows only what an application knows |
//! | 7 | [`ShellSabotage`] | faults that the shell once had, put back |
//! | 8 | [`ShellCampaign`] | many schedules, on all cores |

mod alias;
mod browser;
mod campaign;
mod handler;
mod host;
mod op;
mod page;
mod protocol;
mod sabotage;
mod scene;
mod schedule;
mod stream;
mod tally;
mod world;

pub use campaign::{ShellCampaign, told};
pub use sabotage::ShellSabotage;
pub use tally::ShellTally;

fn parsed(text: &str) -> tidings_protocol::Pattern {
    text.parse().expect("a channel or pattern")
}
