//! The processes of the hubs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use axum::body::Body;
use futures_util::future::join_all;
use http::Request;
use http_body_util::BodyExt;
use serde::Serialize;
use tempfile::TempDir;
use tidings_servers::{Guarded, free_port};
use tokio::{
    net::TcpStream,
    sync::Mutex,
    task::block_in_place,
    time::{Instant, sleep, timeout},
};

use crate::{balancer, hub::Figures};

const HUBS: usize = 3;
/// How long a hub may take until it listens: the machine may be busy.
const START: Duration = Duration::from_secs(30);
/// How long a hub may take to report its figures.
const PATIENCE: Duration = Duration::from_secs(1);

/// The hubs of the cluster.
pub(crate) struct Hubs(Vec<Process>);

/// One hub, running or dead. It keeps its address.
struct Process {
    address: SocketAddr,
    command: Vec<String>,
    /// The folder of its log file.
    folder: TempDir,
    running: Mutex<Option<Guarded>>,
}

/// The data that the page shows of a hub.
#[derive(Serialize)]
pub(crate) struct Shown {
    number: usize,
    address: SocketAddr,
    state: State,
    figures: Option<Figures>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum State {
    /// The hub answers.
    Alive,
    /// The process runs, and does not answer yet, or not in time.
    Silent,
    Dead,
}

impl Hubs {
    /// Starts all hubs, one after the other: the first one creates the apps' databases.
    pub(crate) async fn start(engine: &str, data: &Path, examples: &Path) -> Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("creating {}", data.display()))?;
        let program = std::env::current_exe()?;
        let mut hubs = Vec::new();
        for _ in 0..HUBS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            let listen = address.to_string();
            let words = [
                program.as_path(),
                "hub".as_ref(),
                "--listen".as_ref(),
                listen.as_ref(),
                "--engine".as_ref(),
                engine.as_ref(),
                "--data".as_ref(),
                data,
                "--examples".as_ref(),
                examples,
            ];
            let command = words.map(|word| word.display().to_string()).to_vec();
            let folder = tempfile::Builder::new().prefix("tidings-hub-").tempdir()?;
            let process = Process { address, command, folder, running: Mutex::default() };
            process.restart().await?;
            hubs.push(process);
        }
        Ok(Self(hubs))
    }

    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|hub| hub.address)
    }

    /// Kills a hub as `kill -9` does, and returns when its process is gone; `false` if no hub has this number.
    pub(crate) async fn kill(&self, number: usize) -> bool {
        let Some(hub) = self.hub(number) else { return false };
        if let Some(running) = hub.running.lock().await.take() {
            block_in_place(|| running.end());
        }
        true
    }

    /// Starts a dead hub, and returns when it listens; `false` if no hub has this number.
    pub(crate) async fn restart(&self, number: usize) -> Result<bool> {
        let Some(hub) = self.hub(number) else { return Ok(false) };
        hub.restart().await?;
        Ok(true)
    }

    /// The current state of each hub.
    pub(crate) async fn shown(&self) -> Vec<Shown> {
        join_all(self.0.iter().enumerate().map(|(index, hub)| hub.shown(index + 1))).await
    }

    /// Ends all hubs.
    pub(crate) async fn end(&self) {
        for number in 1..=self.0.len() {
            self.kill(number).await;
        }
    }

    /// The hub with this number, counted from 1.
    fn hub(&self, number: usize) -> Option<&Process> {
        self.0.get(number.checked_sub(1)?)
    }
}

impl Process {
    async fn restart(&self) -> Result<()> {
        let mut running = self.running.lock().await;
        if running.as_ref().is_some_and(|running| !running.has_ended()) {
            return Ok(());
        }
        let process = block_in_place(|| Guarded::start(&self.command, None, self.folder.path()))?;
        let process = running.insert(process);
        let started = Instant::now();
        while TcpStream::connect(self.address).await.is_err() {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            ensure!(!process.has_ended() && started.elapsed() < START, "a hub did not start: {}", log());
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn shown(&self, number: usize) -> Shown {
        let figures = timeout(PATIENCE, self.figures()).await.ok().flatten();
        // A hub that is being started is locked.
        let is_dead = || self.running.try_lock().is_ok_and(|running| running.as_ref().is_none_or(Guarded::has_ended));
        let state = match figures {
            Some(_) => State::Alive,
            None if is_dead() => State::Dead,
            None => State::Silent,
        };
        Shown { number, address: self.address, state, figures }
    }

    async fn figures(&self) -> Option<Figures> {
        let socket = TcpStream::connect(self.address).await.ok()?;
        let request = Request::get("/hub").header(http::header::HOST, self.address.to_string());
        let answer = balancer::send(socket, request.body(Body::empty()).ok()?).await.ok()?;
        serde_json::from_slice(&answer.into_body().collect().await.ok()?.to_bytes()).ok()
    }
}
