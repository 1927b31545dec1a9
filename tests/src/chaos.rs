//! Chaos: real processes, a network that fails, a hub that is killed, and a ledger that knows who should have received
//! which event.
//!
//! ```text
//! publishers ─┐                        ┌─ hub (a process, with its engine)
//! clients ────┼─ proxy (in process) ───┤
//! Chromium ───┘  delays, cuts, freezes └─ SIGKILL, SIGTERM, SIGSTOP, restart
//!      └──────── all report to the ledger, which decides in the end whether the promise was kept
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `traffic` | events, people, interests, and the receivers of an event |
//! | `ledger` | the published, acknowledged and received events; the check |
//! | `roster` | the members that clients show as online; the check |
//! | `proxy` | the network |
//! | `hub` | the hub as a process |
//! | `cluster` | several hubs as processes, behind a balancer, on a log server |
//! | `hubs` | several hubs of one log, in one process |
//! | `faults` | the faults and their times |
//! | `publisher` | publishes, and retries |
//! | `client` | the client's real state machine over real sockets |
//! | `poller` | a client that polls |
//! | `browser` | a real Chromium with the npm package |
//! | `habits` | what an application does with its client |
//! | `tally` | counts of what happened |

mod browser;
mod client;
mod cluster;
mod faults;
mod habits;
mod hub;
#[cfg(test)]
mod hubs;
mod ledger;
mod poller;
mod proxy;
mod publisher;
mod roster;
mod tally;
#[cfg(test)]
mod tests;
mod traffic;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use browser::Browser;
use client::Client;
pub use cluster::Engine;
use fastrand::Rng;
use faults::Faults;
use habits::Habits;
use hub::{Hub, Log};
use ledger::{Ledger, Violation};
use parking_lot::Mutex;
use poller::Poller;
use proxy::Proxy;
use publisher::Publisher;
use roster::Rosters;
use tally::{Count, Tally};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep},
};
use traffic::Person;

/// The number of clients beside the browser.
const CLIENTS: usize = 50;
/// The number of clients that poll.
const POLLERS: usize = 4;
const LOAD: Load = Load { publishers: 6, pace: Duration::from_millis(70) };
/// How long after the last fault every client must have every event.
const PATIENCE: Duration = Duration::from_secs(45);
/// How much later the rosters that clients show must be right. A hub that was stopped counts as alive for 8 s, and a stream
/// without a reader for 5 s.
const PRESENCE_PATIENCE: Duration = Duration::from_secs(20);
/// With swallowing on, one in this many event frames is dropped.
const SWALLOWED: u64 = 500;
/// How long nothing may arrive then: more than two heartbeats.
const SILENCE: Duration = Duration::from_millis(2_500);

/// The settings of a run.
#[derive(Debug)]
pub struct Options {
    /// How long faults are injected.
    pub time: Duration,
    /// Decides the faults and the published events; the interleaving of threads and processes is left to chance.
    pub seed: u64,
    /// Runs three hubs on this server's log instead of one hub.
    pub cluster: Option<Engine>,
    /// Whether the hub's log is in SQLite and outlives the hub; otherwise it is in memory, and each end of the hub
    /// justifies a gap.
    pub durable: bool,
    /// Whether a Chromium takes part.
    pub browser: bool,
    /// Lets the proxy drop frames silently, which no network does, to see that the ledger notices.
    pub swallow: bool,
    /// The path of the hub's program.
    pub hub: PathBuf,
}

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The counts, as lines to print.
    pub counts: String,
    /// The violations, as lines to print.
    pub violations: Vec<String>,
}

/// The rate of publishing.
#[derive(Debug, Clone, Copy)]
struct Load {
    publishers: usize,
    /// The average time from one request of a publisher to its next. A request has two events on average.
    pace: Duration,
}

/// The phase of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Faults are injected, and applications come and go.
    Chaos,
    /// Nothing new is published.
    Settling,
    /// The run ends.
    Over,
}

/// Waits for the end of the run.
async fn over(phase: &mut watch::Receiver<Phase>) {
    // A run without a sender is over, too.
    let _ = phase.wait_for(|phase| *phase == Phase::Over).await;
}

/// The state that all participants share.
#[derive(Debug)]
struct Shared {
    ledger: Mutex<Ledger>,
    rosters: Mutex<Rosters>,
    tally: Arc<Tally>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self { ledger: Mutex::new(Ledger::new()), rosters: Mutex::default(), tally: Arc::default() })
    }

    /// The result of the run, after its end.
    fn report(&self) -> Report {
        let ledger = self.ledger.lock();
        let violations = ledger.audit().iter().map(ToString::to_string).collect();
        let counts = format!("{}{:<28} {:>9}\n", self.tally, "  justified, over handlers", ledger.justified_gaps());
        Report { counts, violations }
    }

    /// The clients whose rosters are wrong, and what is wrong with them.
    fn wrong_rosters(&self) -> Vec<(String, String)> {
        self.rosters.lock().wrong(&self.ledger.lock())
    }

    /// Records that a participant did something that it must not do.
    fn behaviour(&self, who: &str, what: String) {
        self.ledger.lock().violated(Violation::Behaviour { who: who.to_owned(), what });
    }
}

/// Runs the chaos test.
///
/// # Errors
///
/// If a part of the test's own machinery fails: a program is missing, or the hub does not start. Mistakes of hub and
/// clients are in the report.
pub async fn run(options: Options) -> Result<Report> {
    if let Some(engine) = options.cluster {
        return cluster::run(options, engine).await;
    }
    let mut rng = Rng::with_seed(options.seed);
    let shared = Shared::new();
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("hub.log");
    let engine = if options.durable { Log::Sqlite(folder.path().join("hub.db")) } else { Log::Memory };
    let mut hub = Hub::start(options.hub, engine, log, &mut rng).await?;
    let proxy = Proxy::before(hub.address, rng.u64(..), shared.tally.clone()).await?;
    let mut crowd = Crowd::gather(&shared, &proxy.url(), &mut rng, options.browser, LOAD).await?;
    if options.swallow {
        proxy.swallow_one_in(SWALLOWED);
    }

    let faults = Faults { hub: &mut hub, proxy: &proxy, shared: shared.clone(), rng: rng.fork() };
    faults.run(options.time).await?;
    crowd.settle(&shared).await?;

    end(&mut hub, &shared).await?;
    let report = shared.report();
    if !report.violations.is_empty() {
        eprintln!("the hub's log and database are kept in {}", folder.keep().display());
    }
    Ok(report)
}

/// Ends a hub, and records whether it ended wrongly, and the panics that it logged.
async fn end(hub: &mut Hub, shared: &Shared) -> Result<()> {
    if let Some(wrong) = hub.terminate().await? {
        shared.behaviour("hub", wrong);
    }
    for panic in hub.panics()? {
        shared.behaviour("hub", panic);
    }
    Ok(())
}

/// All publishers and clients.
struct Crowd {
    phase: watch::Sender<Phase>,
    publishers: JoinSet<()>,
    clients: JoinSet<Result<()>>,
}

impl Crowd {
    async fn gather(shared: &Arc<Shared>, base: &str, rng: &mut Rng, browser: bool, load: Load) -> Result<Self> {
        let phase = watch::Sender::new(Phase::Chaos);
        let people: Vec<_> = (0..CLIENTS).map(|number| Person::new(format!("client {number}"), number)).collect();
        let mut clients = JoinSet::new();
        if browser {
            let person = Person::new("browser".to_owned(), CLIENTS);
            let habits = Habits::new(rng.fork());
            let browser = Browser::start(shared.clone(), person, base, habits).await?;
            shared.tally.add(Count::Browsers);
            clients.spawn(browser.run(phase.subscribe()));
        }
        for person in &people {
            shared.tally.add(Count::Clients);
            let client = Client::new(shared.clone(), person.clone(), base.to_owned(), Habits::new(rng.fork()));
            let phase = phase.subscribe();
            clients.spawn(async move {
                client.run(phase).await;
                Ok(())
            });
        }
        for number in 0..POLLERS {
            shared.tally.add(Count::Pollers);
            let person = Person::new(format!("poller {number}"), CLIENTS + 1 + number);
            let poller = Poller::new(shared.clone(), person, base, rng.fork());
            let phase = phase.subscribe();
            clients.spawn(async move {
                poller.run(phase).await;
                Ok(())
            });
        }
        let mut publishers = JoinSet::new();
        let people = Arc::new(people);
        for _ in 0..load.publishers {
            let publisher = Publisher::new(shared.clone(), base, rng.fork(), load.pace, people.clone());
            publishers.spawn(publisher.run(phase.subscribe()));
        }
        Ok(Self { phase, publishers, clients })
    }

    /// Ends the faults: everything that was begun is finished, and every client receives what is still outstanding.
    async fn settle(&mut self, shared: &Shared) -> Result<()> {
        self.phase.send_replace(Phase::Settling);
        let end = Instant::now() + PATIENCE;
        while let Some(publisher) = self.publishers.join_next().await {
            publisher.context("a publisher panicked")?;
        }
        let mut looks = interval(Duration::from_millis(250));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shared.ledger.lock().outstanding() > 0 && Instant::now() < end {
            looks.tick().await;
        }
        let end = Instant::now() + PRESENCE_PATIENCE;
        while !shared.wrong_rosters().is_empty() && Instant::now() < end {
            looks.tick().await;
        }
        sleep(SILENCE).await;
        for (who, what) in shared.wrong_rosters() {
            shared.behaviour(&who, what);
        }
        self.phase.send_replace(Phase::Over);
        while let Some(client) = self.clients.join_next().await {
            client.context("a client panicked")??;
        }
        Ok(())
    }
}
