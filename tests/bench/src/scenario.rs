//! The scenarios. Each starts a server of its own, so that none inherits another's memory.

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

/// How many connections open at once where no storm is meant.
const GENTLY: usize = 64;
/// A heartbeat interval that keeps heartbeats out of the way.
const QUIET: Duration = Duration::from_secs(60);

/// The durations and numbers of a run.
#[derive(Debug, Clone)]
pub struct Plan {
    /// How often everything is measured; the table shows medians.
    pub rounds: usize,
    /// How long events are published.
    pub flow: Duration,
    /// How long a flood of events lasts.
    pub flood: Duration,
    /// The numbers of idle connections to measure.
    pub idle: Vec<usize>,
    /// The heartbeat interval while idle, in whole seconds as nginx needs it.
    pub heartbeat: Duration,
    /// The numbers of clients that connect at once.
    pub storms: Vec<usize>,
    /// How long to wait before something counts as lost.
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
    /// Thousands of clients return at once and resume, while others receive events.
    Comeback,
    /// 1,000 clients return at once, and each has missed 1,000 events.
    Resume,
}

/// All of them, in the order in which they run.
#[must_use]
pub fn all() -> Vec<Scenario> {
    let flows = Shape::ALL.into_iter().map(Scenario::Flow);
    flows.chain([Scenario::Idle, Scenario::Storm, Scenario::Comeback, Scenario::Resume]).collect()
}

/// Starts the peer with a heartbeat interval.
pub type Start<'a> = &'a dyn Fn(Duration) -> Result<Server>;
/// Records a figure.
pub type Record<'a> = &'a mut dyn FnMut(Key, f64);

impl Scenario {
    /// The name in one word.
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

    /// Whether the scenario applies to this kind of peer.
    #[must_use]
    pub fn is_for(self, kind: &Kind) -> bool {
        match self {
            Self::Flow(shape) => shape.can_be_written_one_by_one() || kind.is_product(),
            Self::Idle | Self::Storm => kind.is_product(),
            // Each client must have channels of its own.
            Self::Comeback => kind.has_channels(),
            Self::Resume => kind.resumes(),
        }
    }

    /// Runs the scenario once. Returns a remark on the figures.
    ///
    /// # Errors
    ///
    /// If the server or the generator fails; figures recorded before that count.
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

/// Opens streams gradually.
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
