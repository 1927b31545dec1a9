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
/// How long a hub may take to listen: the machine may be busy.
const START: Duration = Duration::from_secs(30);
/// How long a hub may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(1);

/// The hubs of the cluster.
pub(crate) struct Hubs(Vec<Process>);

/// One hub, dead or alive. It keeps its address.
struct Process {
    address: SocketAddr,
    command: Vec<String>,
    /// Where its log is.
    folder: TempDir,
    running: Mutex<Option<Guarded>>,
}

/// What the page shows of a hub.
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
    /// It answers.
    Alive,
    /// Its process is there, and does not answer yet, or not in time.
    Silent,
    Dead,
}

impl Hubs {
    /// Starts all of them, one after the other: the first makes the apps' databases.
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

    /// Kills a hub as `kill -9` does, and returns when it is gone; `false` where there is no hub with this number.
    pub(crate) async fn kill(&self, number: usize) -> bool {
        let Some(hub) = self.hub(number) else { return false };
        if let Some(running) = hub.running.lock().await.take() {
            block_in_place(|| running.end());
        }
        true
    }

    /// Starts a hub that is dead, and returns when it listens; `false` where there is no hub with this number.
    pub(crate) async fn restart(&self, number: usize) -> Result<bool> {
        let Some(hub) = self.hub(number) else { return Ok(false) };
        hub.restart().await?;
        Ok(true)
    }

    /// How each of them is now.
    pub(crate) async fn shown(&self) -> Vec<Shown> {
        join_all(self.0.iter().enumerate().map(|(index, hub)| hub.shown(index + 1))).await
    }

    /// Ends all of them.
    pub(crate) async fn end(&self) {
        for number in 1..=self.0.len() {
            self.kill(number).await;
        }
    }

    /// Hubs are counted from 1.
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
        // One that is being started is locked.
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
