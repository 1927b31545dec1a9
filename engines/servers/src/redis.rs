//! A Redis server.

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    free_port,
    guarded::{Guarded, processor_time},
    in_memory, packages,
};

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(60);
const PACKAGES: [&str; 5] = ["redis-server", "redis-tools", "libjemalloc2", "liblzf1", "libatomic1"];

/// A server that writes each change to its file before it answers (`appendfsync always`), or runs with other settings.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    libraries: Option<PathBuf>,
    directory: TempDir,
    port: u16,
    settings: Vec<String>,
    running: Mutex<Option<Guarded>>,
}

impl Redis {
    /// Starts a server, with its data in memory where the system has such a directory.
    ///
    /// # Errors
    ///
    /// If there is no server and none can be downloaded, or it does not start.
    pub fn start() -> Result<Self> {
        Self::with(&["--appendonly", "yes", "--appendfsync", "always"])
    }

    /// Starts a server with these settings, written as on its command line.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn with(settings: &[&str]) -> Result<Self> {
        let parent = in_memory();
        let installed = Path::new("/usr/bin/redis-server");
        let (program, libraries) = if installed.exists() {
            (installed.to_owned(), None)
        } else {
            let name = "usr/bin/redis-check-rdb"; // the binary that `redis-server` links to
            let root = packages::unpacked("redis", name, || Ok(PACKAGES.map(str::to_owned).to_vec()))?;
            (root.join("usr/bin/redis-server"), Some(packages::libraries(&root)?))
        };
        let directory = tempfile::Builder::new().prefix("tidings-redis-").tempdir_in(parent)?;
        let settings = settings.iter().map(|word| (*word).to_owned()).collect();
        let server = Self { program, libraries, directory, port: free_port()?, settings, running: Mutex::new(None) };
        server.restart()?;
        Ok(server)
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The directory of its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs `redis-benchmark` on this server. Returns what it printed.
    ///
    /// # Errors
    ///
    /// If the program cannot be started or fails; the error contains what it printed.
    pub fn benchmark(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(self.program.with_file_name("redis-benchmark"));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]).args(arguments);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        packages::output(&mut command)
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server at once (`kill -9`), and returns when it has ended.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn kill(&self) -> Result<()> {
        self.running.lock().expect("no panic").take().context("the server does not run")?.end();
        Ok(())
    }

    /// Ends the server as its operator does (SIGTERM), and returns when it has ended.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn terminate(&self) -> Result<()> {
        let mut running = self.running.lock().expect("no panic");
        let server = running.take().context("the server does not run")?;
        server.signal(Signal::TERM)?;
        let asked = Instant::now();
        while !server.has_ended() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.end();
        Ok(())
    }

    /// The processor time that the server has taken since it started.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn cpu(&self) -> Result<Duration> {
        let running = self.running.lock().expect("no panic");
        let pid = running.as_ref().context("the server does not run")?.pid();
        Ok(processor_time(pid.as_raw_nonzero().get()))
    }

    /// Stops the server (SIGSTOP): nothing answers, and no connection breaks.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Resumes the server.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        self.running.lock().expect("no panic").as_ref().context("the server does not run")?.signal(signal)
    }

    /// Starts the server, or restarts it, on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If the server does not start.
    pub fn restart(&self) -> Result<()> {
        let mut running = self.running.lock().expect("no panic");
        drop(running.take());
        let mut command = vec![self.program.display().to_string()];
        let (port, folder) = (self.port.to_string(), self.directory.path().display().to_string());
        let ours = ["--port", &port, "--bind", "127.0.0.1", "--dir", &folder, "--save", "", "--daemonize", "no"];
        command.extend(ours.iter().map(|word| (*word).to_owned()));
        command.extend(self.settings.iter().cloned());
        let (libraries, folder) = (self.libraries.as_deref(), self.directory.path());
        *running = Some(Guarded::start_server("Redis", &command, libraries, folder, || self.is_ready())?);
        Ok(())
    }

    /// A server answers `LOADING` while it reads its file, and `NOAUTH` if it wants a password.
    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut socket = TcpStream::connect(("127.0.0.1", self.port))?;
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            socket.write_all(b"PING\r\n")?;
            let mut answer = [0; 64];
            let count = socket.read(&mut answer)?;
            Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
        };
        ask().is_ok_and(|answer| answer.starts_with("+PONG") || answer.starts_with("-NOAUTH"))
    }
}
