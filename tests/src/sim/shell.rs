//! The shell in the simulation: what is shipped to browsers, its Wasm and its JavaScript, on the globals of pages that are none. The world
//! is the simulation's: real nodes, a simulated log, network and clock. The pages are in a Node that the world starts and speaks to over a
//! pipe (`tests/shell/`); the world decides what befalls them and when, by a seed.
//!
//! | | part | is |
//! |---|---|---|
//! | 1 | `schedule`, `op` | what happens, step by step, drawn from the seed before anything runs |
//! | | `scene` | steps that lead together where they rarely meet |
//! | 2 | `world` | carries it out, lets everything become well in the end, and asks the judges |
//! | 3 | `host`, `protocol` | the process with the pages, and what is said to it |
//! | 4 | `page`, `stream` | what is under way for a page |
//! | 5 | `browser` | the locks and channels that the pages of a browser share |
//! | | `alias` | names for what a hub draws by chance |
//! | 6 | `handler` | the judge of a handler, who knows what an application knows |
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
