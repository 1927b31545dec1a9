//! The hub as a process: started, stopped, killed, and restarted at the same address.

use std::{
    fs::File,
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// How long a hub may take to listen, on a busy machine.
const START: Duration = Duration::from_secs(30);
/// How long a hub may take to end after it is asked to; the drain of the example takes at most 5 s.
const END: Duration = Duration::from_secs(8);
/// The grace period is 1 s. Clients report every 2 s that they read, so a stream does not count after 5 s without a report.
const PRESENCE: &str = "1000,2000";
/// The ports are below those that the system gives to outgoing connections. Otherwise a connection to a port on which
/// nobody listens could get that very port for its own end, be connected to itself, and keep the hub from listening
/// there.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// Where a hub's log is.
#[derive(Debug, Clone)]
pub(crate) enum Log {
    /// In the hub's memory, so that the log ends with the hub.
    Memory,
    Sqlite(PathBuf),
    /// On a server with this URL.
    Server(String),
}

impl Log {
    /// The argument of the hub's command line.
    fn argument(&self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Server(url) => url.clone(),
        }
    }
}

pub(crate) struct Hub {
    program: PathBuf,
    pub(crate) address: SocketAddr,
    engine: Log,
    /// The hub's output, over all its restarts.
    log: PathBuf,
    child: Child,
}

impl Hub {
    /// Starts the hub on a free port.
    pub(crate) async fn start(program: PathBuf, engine: Log, log: PathBuf, rng: &mut fastrand::Rng) -> Result<Self> {
        ensure!(program.exists(), "{} is missing: cargo build --release -p hub", program.display());
        let address = free_address(rng)?;
        let child = spawn(&program, address, &engine, &log).await?;
        Ok(Self { program, address, engine, log, child })
    }

    /// Restarts the hub, on the same port and with the same log.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.child = spawn(&self.program, self.address, &self.engine, &self.log).await?;
        Ok(())
    }

    pub(crate) fn is_durable(&self) -> bool {
        !matches!(self.engine, Log::Memory)
    }

    /// Deletes the database of a hub that has ended, with the files that SQLite keeps beside it. Returns whether there
    /// was one.
    pub(crate) fn wipe(&self) -> Result<bool> {
        let Log::Sqlite(database) = &self.engine else { return Ok(false) };
        for suffix in ["", "-wal", "-shm"] {
            let mut file = database.clone().into_os_string();
            file.push(suffix);
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).context("losing the database"),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Checks that the hub still runs.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("the hub ended unexpectedly ({status})"),
        }
    }

    /// Sends SIGKILL, and waits until the hub has ended.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.context("killing the hub")
    }

    /// Sends SIGTERM, and waits until the hub has ended. Returns what was wrong with the way it ended, if anything.
    pub(crate) async fn terminate(&mut self) -> Result<Option<String>> {
        self.signal(Signal::TERM)?;
        match timeout(END, self.child.wait()).await {
            Ok(status) => Ok(judge(status?)),
            Err(_) => {
                self.kill().await?;
                Ok(Some(format!("still there {} s after SIGTERM", END.as_secs())))
            }
        }
    }

    /// Sends SIGSTOP: the hub exists and does nothing.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Sends SIGCONT.
    pub(crate) fn go_on(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// The panics that the hub logged.
    pub(crate) fn panics(&self) -> Result<Vec<String>> {
        let log = std::fs::read_to_string(&self.log)?;
        Ok(log.lines().filter(|line| line.contains("panicked at")).map(str::to_owned).collect())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the hub is not running")?;
        kill_process(id, signal).context("sending a signal to the hub")
    }
}

fn judge(status: ExitStatus) -> Option<String> {
    (!status.success()).then(|| format!("ended with {status} upon SIGTERM"))
}

fn free_address(rng: &mut fastrand::Rng) -> Result<SocketAddr> {
    let mut tries = std::iter::repeat_with(|| SocketAddr::from((Ipv4Addr::LOCALHOST, rng.u16(PORTS)))).take(100);
    tries.find(|address| TcpListener::bind(address).is_ok()).context("no free port")
}

async fn spawn(program: &Path, address: SocketAddr, engine: &Log, log: &Path) -> Result<Child> {
    let stderr = File::options().create(true).append(true).open(log)?;
    let mut child = Command::new(program)
        .args([
            "--listen",
            &address.to_string(),
            "--heartbeat-ms",
            "1000",
            "--presence",
            PRESENCE,
            "--engine",
            &engine.argument(),
        ])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", program.display()))?;
    let output = child.stdout.take().context("the hub has no output")?;
    let mut lines = BufReader::new(output).lines();
    let first = timeout(START, lines.next_line()).await.context("the hub did not listen in time")??;
    match first {
        Some(line) if line.starts_with("listening on ") => Ok(child),
        _ => bail!("the hub did not start; see {}", log.display()),
    }
}
