//! What is measured: each scenario starts a server of its own, so that none inherits another's memory.

mod comeback;
mod flow;
mod idle;
mod resume;
mod storm;

use std::time::{Duration, Instant};

use anyhow::Result;

pub use self::flow::{Figure, Shape};
use crate::{
    peer::{Kind, Server},
    report::Key,
    swarm::Swarm,
};

/// How many connections are under way where no storm is meant.
const GENTLY: usize = 64;
/// Heartbeats out of the way.
const QUIET: Duration = Duration::from_secs(60);

/// How long and how many.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often everything is measured; the table shows medians.
    pub rounds: usize,
    /// How long events are published.
    pub flow: Duration,
    /// How long a flood of them is.
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
    /// Events at a rate to many streams.
    Flow(Shape),
    /// Nothing but heartbeats.
    Idle,
    /// Thousands connect at once.
    Storm,
    /// Thousands come back at once and go on where they left off, while others hear events.
    Comeback,
    /// 1,000 come back at once, and each has missed 1,000 events.
    Resume,
}

/// All of them, in the order in which they run.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let flows = Shape::ALL.into_iter().map(Scenario::Flow);
    flows.chain([Scenario::Idle, Scenario::Storm, Scenario::Comeback, Scenario::Resume]).collect()
}

/// Starts the peer with an interval of heartbeats.
pub type Start<'a> = &'a dyn Fn(Duration) -> Result<Server>;
/// Takes a figure.
pub type Record<'a> = &'a mut dyn FnMut(Key, f64);

impl Scenario {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Flow(shape) => shape.name(),
            Self::Idle => "idle",
            Self::Storm => "storm",
            Self::Comeback => "comeback",
            Self::Resume => "resume",
        }
    }

    /// Whether it says anything of this kind of peer.
    #[must_use]
    pub fn is_for(self, kind: &Kind) -> bool {
        match self {
            Self::Flow(shape) => shape.can_be_written_one_by_one() || kind.is_product(),
            Self::Idle | Self::Storm => kind.is_product(),
            // Each client has to have channels of its own.
            Self::Comeback => kind.has_channels(),
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
            Self::Flow(shape) => {
                let during = if shape == Shape::Flood { plan.flood } else { plan.flow };
                flow::run(shape, during, plan.patience, start, record)
            }
            Self::Idle => idle::run(plan, files, start, record),
            Self::Storm => storm::run(plan, files, start, record),
            Self::Comeback => comeback::run(plan, files, start, record),
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
