//! What is measured: each scenario starts a server of its own, so that none inherits another's memory.

mod flow;
mod idle;
mod resume;
mod storm;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{
    peer::{Kind, Server},
    report::Key,
    swarm::Swarm,
};

/// How many streams hear each event.
const SUBSCRIBERS: usize = 1_000;
/// How many connections are under way where no storm is meant.
const GENTLY: usize = 64;
/// Heartbeats out of the way.
const QUIET: Duration = Duration::from_secs(60);

/// How long and how many.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often everything is measured; the table shows medians.
    pub rounds: usize,
    /// How long 100 events a second are published.
    pub steady: Duration,
    /// How long 1,000 events a second are published.
    pub flood: Duration,
    /// At how many idle connections to look.
    pub idle: Vec<usize>,
    /// The interval of heartbeats meanwhile; whole seconds, as nginx has them.
    pub heartbeat: Duration,
    /// How many clients come at once.
    pub storms: Vec<usize>,
    /// How long to wait for what does not come.
    pub patience: Duration,
}

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// 100 events a second to 1,000 streams.
    Steady,
    /// 1,000 events a second to 1,000 streams.
    Flood,
    /// Nothing but heartbeats.
    Idle,
    /// Thousands connect at once.
    Storm,
    /// 1,000 come back at once, and each has missed 1,000 events.
    Resume,
}

/// All of them, in the order in which they run.
pub const ALL: [Scenario; 5] = [Scenario::Steady, Scenario::Flood, Scenario::Idle, Scenario::Storm, Scenario::Resume];

/// Starts the peer with an interval of heartbeats.
pub type Start<'a> = &'a dyn Fn(Duration) -> Result<Server>;
/// Takes a figure.
pub type Record<'a> = &'a mut dyn FnMut(Key, f64);

impl Scenario {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Flood => "flood",
            Self::Idle => "idle",
            Self::Storm => "storm",
            Self::Resume => "resume",
        }
    }

    /// Whether it says anything of this kind of peer.
    #[must_use]
    pub fn is_for(self, kind: &Kind) -> bool {
        match self {
            Self::Steady => true,
            Self::Flood | Self::Idle | Self::Storm => kind.is_product(),
            Self::Resume => kind.resumes(),
        }
    }

    /// Runs it once; returns what should be said of the figures.
    ///
    /// # Errors
    ///
    /// When the server or the generator fails; figures recorded before that stand.
    pub fn run(self, plan: &Plan, files: usize, start: Start<'_>, record: Record<'_>) -> Result<Option<String>> {
        match self {
            Self::Steady => flow::run(&flow::STEADY, plan.steady, plan.patience, start, record),
            Self::Flood => flow::run(&flow::FLOOD, plan.flood, plan.patience, start, record),
            Self::Idle => idle::run(plan, files, start, record),
            Self::Storm => storm::run(plan, files, start, record),
            Self::Resume => resume::run(plan.patience, start, record),
        }
    }
}

/// Streams that opened one after the other.
fn gently(server: &Server, swarm: &mut Swarm, count: usize, patience: Duration) -> Result<()> {
    swarm.open(server.address, count, GENTLY, Instant::now() + patience, |number| server.subscribe(number, None))?;
    anyhow::ensure!(
        swarm.tally().lost == 0,
        "{} streams were lost: {}",
        swarm.tally().lost,
        swarm.tally().first_loss.as_deref().unwrap_or_default()
    );
    Ok(())
}
