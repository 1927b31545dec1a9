//! Three hubs on one log behind a balancer, and the faults that can occur between them.
//!
//! ```text
//! clients, publishers ─ nginx ─┬─ proxy ─ hub ─ proxy ─┐
//!                round robin   ├─ proxy ─ hub ─ proxy ─┼─ PostgreSQL or Redis
//!                              └─ proxy ─ hub ─ proxy ─┘
//! ```
//!
//! No fault here loses a record that the log server has acknowledged, so no gap is justified.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use fastrand::Rng;
use tidings_servers::{Nginx, Postgres, Redis};
use tokio::{
    task::block_in_place,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Crowd, Load, Options, Report, SWALLOWED, Shared, end,
    hub::{Hub, Log},
    proxy::Proxy,
    tally::Count,
};

const HUBS: usize = 3;
/// The interval between two faults.
const INTERVAL: Duration = Duration::from_secs(10);
/// More than 500 events a second, in requests of about two.
pub(super) const LOAD: Load = Load { publishers: 16, pace: Duration::from_millis(45) };

/// The server that holds the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// PostgreSQL, which writes to its disk before it answers.
    Postgres,
    /// Redis, with `appendfsync always`.
    Redis,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    KillHub,
    TerminateHub,
    StopHub,
    StopAndKillHub,
    /// One hub after the other is replaced, as by a deployment.
    Roll,
    KillServer,
    TerminateServer,
    StopServer,
    /// The connections between clients and one hub are cut.
    CutClients,
    /// The connections between one hub and the log server are cut.
    CutServer,
    HalfOpenServer,
    SlowServer,
}

const DECK: [Fault; 12] = [
    Fault::KillHub,
    Fault::TerminateHub,
    Fault::StopHub,
    Fault::StopAndKillHub,
    Fault::Roll,
    Fault::KillServer,
    Fault::TerminateServer,
    Fault::StopServer,
    Fault::CutClients,
    Fault::CutServer,
    Fault::HalfOpenServer,
    Fault::SlowServer,
];

enum Server {
    Postgres(Postgres),
    Redis(Redis),
}

impl Server {
    fn start(engine: Engine) -> Result<Self> {
        Ok(match engine {
            Engine::Postgres => Self::Postgres(Postgres::start()?),
            Engine::Redis => Self::Redis(Redis::start()?),
        })
    }

    fn port(&self) -> u16 {
        match self {
            Self::Postgres(server) => server.port(),
            Self::Redis(server) => server.port(),
        }
    }

    /// The URL of the log, through a proxy on this port.
    fn url(&self, port: u16) -> String {
        match self {
            Self::Postgres(_) => format!("postgres://tidings@127.0.0.1:{port}/tidings"),
            Self::Redis(_) => format!("redis://127.0.0.1:{port}"),
        }
    }

    fn kill(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.kill(),
            Self::Redis(server) => server.kill(),
        }
    }

    fn terminate(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.terminate(),
            Self::Redis(server) => server.terminate(),
        }
    }

    fn restart(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.restart(),
            Self::Redis(server) => server.restart(),
        }
    }

    fn pause(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.pause(),
            Self::Redis(server) => server.pause(),
        }
    }

    fn resume(&self) -> Result<()> {
        match self {
            Self::Postgres(server) => server.resume(),
            Self::Redis(server) => server.resume(),
        }
    }
}

struct Cluster {
    server: Server,
    hubs: Vec<Hub>,
    /// The proxies in front of each hub, and between each hub and the log server.
    fronts: Vec<Proxy>,
    backs: Vec<Proxy>,
    nginx: Nginx,
    shared: Arc<Shared>,
    rng: Rng,
}

/// Runs the chaos test with several hubs.
pub(super) async fn run(options: Options, engine: Engine) -> Result<Report> {
    let mut rng = Rng::with_seed(options.seed);
    let shared = Shared::new();
    let folder = tempfile::tempdir()?;
    let mut cluster = Cluster::start(&options, engine, folder.path(), &shared, rng.fork()).await?;
    let mut crowd = Crowd::gather(&shared, &cluster.nginx.url(), &mut rng, options.browser, LOAD).await?;
    if options.swallow {
        cluster.fronts.iter().for_each(|front| front.swallow_one_in(SWALLOWED));
    }
    cluster.go_wrong(options.time).await?;
    crowd.settle(&shared).await?;
    for hub in &mut cluster.hubs {
        end(hub, &shared).await?;
    }
    let report = shared.report();
    if !report.violations.is_empty() {
        eprintln!("the hubs' logs are kept in {}", folder.keep().display());
    }
    Ok(report)
}

impl Cluster {
    async fn start(
        options: &Options,
        engine: Engine,
        folder: &Path,
        shared: &Arc<Shared>,
        mut rng: Rng,
    ) -> Result<Self> {
        let server = block_in_place(|| Server::start(engine))?;
        let (mut hubs, mut fronts, mut backs) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..HUBS {
            let back = Proxy::before(([127, 0, 0, 1], server.port()).into(), rng.u64(..), shared.tally.clone()).await?;
            let (log, file) = (Log::Server(server.url(back.address().port())), folder.join(format!("hub{number}.log")));
            let hub = Hub::start(options.hub.clone(), log, file, &mut rng).await?;
            fronts.push(Proxy::before(hub.address, rng.u64(..), shared.tally.clone()).await?);
            backs.push(back);
            hubs.push(hub);
        }
        let addresses: Vec<_> = fronts.iter().map(Proxy::address).collect();
        let nginx = block_in_place(|| Nginx::before(&addresses))?;
        Ok(Self { server, hubs, fronts, backs, nginx, shared: shared.clone(), rng })
    }

    async fn go_wrong(&mut self, time: Duration) -> Result<()> {
        let end = Instant::now() + time;
        let (mut deck, mut next) = (Vec::new(), Instant::now() + INTERVAL / 2);
        while next < end {
            sleep_until(next).await;
            next = Instant::now().max(next + INTERVAL);
            let fault = deck.pop().unwrap_or_else(|| {
                deck = DECK.to_vec();
                self.rng.shuffle(&mut deck);
                deck.swap_remove(0)
            });
            self.inflict(fault).await.with_context(|| format!("{fault:?}"))?;
            for hub in &mut self.hubs {
                hub.check()?;
            }
        }
        self.fronts.iter().chain(&self.backs).for_each(Proxy::heal);
        Ok(())
    }

    async fn inflict(&mut self, fault: Fault) -> Result<()> {
        let one = self.rng.usize(..HUBS);
        match fault {
            Fault::KillHub => {
                self.shared.tally.add(Count::Kills);
                self.hubs[one].kill().await?;
                self.pause(0..3_000).await;
                self.hubs[one].restart().await?;
            }
            Fault::TerminateHub => self.replace(one).await?,
            Fault::Roll => {
                for hub in 0..HUBS {
                    self.replace(hub).await?;
                }
            }
            Fault::StopHub | Fault::StopAndKillHub => {
                self.shared.tally.add(Count::Stops);
                self.hubs[one].stop()?;
                self.pause(1_000..7_000).await;
                if matches!(fault, Fault::StopHub) {
                    return self.hubs[one].go_on();
                }
                self.shared.tally.add(Count::Kills);
                self.hubs[one].kill().await?;
                self.hubs[one].restart().await?;
            }
            Fault::KillServer => {
                self.shared.tally.add(Count::ServerKills);
                block_in_place(|| self.server.kill())?;
                self.pause(0..4_000).await;
                block_in_place(|| self.server.restart())?;
            }
            Fault::TerminateServer => {
                self.shared.tally.add(Count::ServerTerminations);
                block_in_place(|| self.server.terminate())?;
                self.pause(0..4_000).await;
                block_in_place(|| self.server.restart())?;
            }
            Fault::StopServer => {
                self.shared.tally.add(Count::ServerStops);
                block_in_place(|| self.server.pause())?;
                self.pause(1_000..7_000).await;
                block_in_place(|| self.server.resume())?;
            }
            Fault::CutClients => self.fronts[one].cut_mid_frame(self.rng.u8(30..100)),
            Fault::CutServer => self.backs[one].cut(self.rng.u8(30..=100)),
            Fault::HalfOpenServer => {
                self.backs[one].half_open(self.rng.u8(30..=100));
                self.pause(1_000..8_000).await;
                self.backs[one].end_half_open();
            }
            Fault::SlowServer => {
                self.backs[one].delay(self.rng.u64(20..200));
                self.pause(1_000..6_000).await;
                self.backs[one].delay(0);
            }
        }
        Ok(())
    }

    async fn replace(&mut self, hub: usize) -> Result<()> {
        self.shared.tally.add(Count::Terminations);
        if let Some(wrong) = self.hubs[hub].terminate().await? {
            self.shared.behaviour("hub", wrong);
        }
        self.hubs[hub].restart().await
    }

    async fn pause(&mut self, ms: std::ops::Range<u64>) {
        sleep(Duration::from_millis(self.rng.u64(ms))).await;
    }
}
