//! A PostgreSQL server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    free_port,
    guarded::{Guarded, processor_time},
    in_memory, packages,
};

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server with a superuser `tidings` without a password, and a database of that name.
#[derive(Debug)]
pub struct Postgres {
    programs: Programs,
    directory: TempDir,
    port: u16,
    running: Mutex<Option<Guarded>>,
}

#[derive(Debug, Clone)]
struct Programs {
    folder: PathBuf,
    libraries: Option<PathBuf>,
}

impl Programs {
    fn find() -> Result<Self> {
        // Debian keeps the programs of each version in a directory of their own, and only some of them in the path.
        let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
            .collect();
        versions.sort();
        if let Some(folder) = versions.pop() {
            return Ok(Self { folder, libraries: None });
        }
        let server = packages::needed("postgresql", "postgresql-")?;
        let server = server.iter().find_map(|name| name.strip_prefix("postgresql-")?.parse::<u32>().ok());
        let version = server.context("Debian's package postgresql does not depend on a version")?;
        let program = format!("usr/lib/postgresql/{version}/bin");
        let root = packages::unpacked("postgresql", &format!("{program}/postgres"), || {
            let names = ["", "client-"].map(|what| format!("postgresql-{what}{version}"));
            let mut all: Vec<_> =
                names.iter().map(|name| packages::needed(name, "lib")).collect::<Result<Vec<_>>>()?.concat();
            // LLVM serves just-in-time compilation only, and is larger than everything else together.
            all.retain(|name| !name.starts_with("libllvm"));
            all.extend(names);
            Ok(all)
        })?;
        Ok(Self { folder: root.join(program), libraries: Some(packages::libraries(&root)?) })
    }

    /// The words of a command. PostgreSQL refuses to run as root.
    fn command(&self, program: &str, arguments: &[&str]) -> Vec<String> {
        let program = self.folder.join(program).display().to_string();
        let words: Vec<_> = [program].into_iter().chain(arguments.iter().map(|word| (*word).to_owned())).collect();
        packages::not_as_root(&words)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        self.output(program, arguments).map(drop)
    }

    fn output(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let words = self.command(program, arguments);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        if let Some(libraries) = &self.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        packages::output(&mut command)
    }
}

impl Postgres {
    /// Starts a server, with its data in memory where the system has such a directory.
    ///
    /// # Errors
    ///
    /// If there is no server and none can be downloaded, or it does not start.
    pub fn start() -> Result<Self> {
        Self::start_in(&in_memory())
    }

    /// Starts a server with its data below this directory.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_in(parent: &Path) -> Result<Self> {
        let programs = Programs::find()?;
        let directory = tempfile::Builder::new().prefix("tidings-postgres-").tempdir_in(parent)?;
        let data = directory.path().join("data").display().to_string();
        let initdb = ["-D", &*data, "-U", "tidings", "--auth=trust", "-E", "UTF8", "--locale=C", "-N"];
        programs.run("initdb", &initdb)?;
        let server = Self { programs, directory, port: free_port()?, running: Mutex::new(None) };
        server.restart()?;
        let port = server.port.to_string();
        server.programs.run("createdb", &["-h", "127.0.0.1", "-p", &port, "-U", "tidings", "tidings"])?;
        Ok(server)
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{}/tidings", self.port)
    }

    /// The directory of its files.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Runs one of PostgreSQL's own programs on this server's database, such as `psql` or `pgbench`. Returns what it printed.
    ///
    /// # Errors
    ///
    /// If the program cannot be started or fails; the error contains what it printed.
    pub fn tool(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let port = self.port.to_string();
        let server = ["-h", "127.0.0.1", "-p", &port, "-U", "tidings"];
        self.programs.output(program, &[&server[..], arguments, &["tidings"]].concat())
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
        // Its child processes may still write. The next server to start waits for them.
        self.running.lock().expect("no panic").take().context("the server does not run")?.end();
        Ok(())
    }

    /// Ends the server as its operator does (SIGINT, which closes connections), and returns when it has ended.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn terminate(&self) -> Result<()> {
        let mut running = self.running.lock().expect("no panic");
        let server = running.take().context("the server does not run")?;
        server.signal(Signal::INT)?;
        let asked = Instant::now();
        while !server.has_ended() && asked.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        server.end();
        Ok(())
    }

    /// Stops all processes of the server (SIGSTOP): nothing answers, and no connection breaks.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn pause(&self) -> Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Resumes the server.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn resume(&self) -> Result<()> {
        self.signal_all(Signal::CONT)
    }

    /// The processor time that the server has taken since it started.
    ///
    /// # Errors
    ///
    /// If the server does not run.
    pub fn cpu(&self) -> Result<Duration> {
        let running = self.running.lock().expect("no panic");
        let parent = running.as_ref().context("the server does not run")?.pid().as_raw_nonzero().get();
        let children = children(parent)?.into_iter().map(|pid| pid.as_raw_nonzero().get());
        Ok([parent].into_iter().chain(children).map(processor_time).sum())
    }

    /// Each connection is a process of its own, a child of the first one.
    fn signal_all(&self, signal: Signal) -> Result<()> {
        let running = self.running.lock().expect("no panic");
        let running = running.as_ref().context("the server does not run")?;
        let parent = running.pid().as_raw_nonzero().get();
        running.signal(signal)?;
        for child in children(parent)? {
            // The child may have ended meanwhile.
            let _ = rustix::process::kill_process(child, signal);
        }
        Ok(())
    }

    /// Starts the server, or restarts it, on the same port with the same data.
    ///
    /// # Errors
    ///
    /// If the server does not start.
    pub fn restart(&self) -> Result<()> {
        let mut running = self.running.lock().expect("no panic");
        drop(running.take());
        let data = self.directory.path().join("data").display().to_string();
        let (port, log) = (self.port.to_string(), self.directory.path().join("log"));
        let command = self
            .programs
            .command("postgres", &["-D", &data, "-p", &port, "-h", "127.0.0.1", "-k", "", "-c", "max_connections=500"]);
        let started = Instant::now();
        *running = Some(Guarded::start(&command, self.programs.libraries.as_deref(), self.directory.path())?);
        while !self.is_ready() {
            if started.elapsed() > PATIENCE {
                bail!("PostgreSQL did not start: {}", fs::read_to_string(&log).unwrap_or_default());
            }
            // A process that was killed may still hold its memory; the next one then ends at once.
            if running.as_ref().is_some_and(Guarded::has_ended) {
                *running = Some(Guarded::start(&command, self.programs.libraries.as_deref(), self.directory.path())?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let port = self.port.to_string();
        let words = self.programs.command("pg_isready", &["-q", "-h", "127.0.0.1", "-p", &port]);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some(libraries) = &self.programs.libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.status().is_ok_and(|status| status.success())
    }
}

/// The child processes of a process.
fn children(parent: i32) -> Result<Vec<rustix::process::Pid>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(pid) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        let status = fs::read_to_string(path.join("status")).unwrap_or_default();
        let is_child = status
            .lines()
            .any(|line| line.strip_prefix("PPid:").is_some_and(|number| number.trim().parse() == Ok(parent)));
        if is_child {
            found.extend(rustix::process::Pid::from_raw(pid));
        }
    }
    Ok(found)
}
