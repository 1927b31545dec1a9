//! A server in its own process group, which ends with its owner, and the resources that it uses by the kernel's count.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(15);

/// A running server and its children.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

/// Processor time since the start, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    /// The time in the program itself.
    pub user: f64,
    /// The time in the kernel on the program's behalf.
    pub system: f64,
}

/// Memory, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    /// Pages in memory, with shared pages counted proportionally, so that processes add up.
    pub proportional: f64,
    /// Pages in memory.
    pub resident: f64,
}

impl Process {
    /// Starts a program that prints `listening on http://ADDRESS` when it listens.
    ///
    /// # Errors
    ///
    /// If the program cannot be started or ends before that.
    pub fn start(program: &Command, log: &Path) -> Result<(Self, SocketAddr)> {
        let mut process = Self::spawn(program, Stdio::piped(), log)?;
        let output = process.child.stdout.take().context("its output is piped")?;
        for line in BufReader::new(output).lines() {
            if let Some(address) = line?.strip_prefix("listening on http://") {
                return Ok((process, address.parse()?));
            }
        }
        bail!("{:?} ended before it listened; see {}", program.get_program(), log.display())
    }

    /// Starts a program that was told where to listen and prints nothing.
    ///
    /// # Errors
    ///
    /// If the program cannot be started or does not listen there in time.
    pub fn start_at(program: &Command, address: SocketAddr, log: &Path) -> Result<Self> {
        let mut process = Self::spawn(program, Stdio::null(), log)?;
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            let ended = process.child.try_wait()?.is_some();
            if ended || Instant::now() > deadline {
                bail!("{:?} does not listen on {address}; see {}", program.get_program(), log.display());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(process)
    }

    fn spawn(program: &Command, output: Stdio, log: &Path) -> Result<Self> {
        let log = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let child = with_its_owner(program).stdin(Stdio::null()).stdout(output).stderr(log).process_group(0).spawn();
        Ok(Self { child: child.with_context(|| format!("starting {:?}", program.get_program()))? })
    }

    /// The processor time of the server and its children so far.
    ///
    /// # Errors
    ///
    /// If the server has ended.
    pub fn cpu(&self) -> Result<Cpu> {
        #[allow(clippy::cast_precision_loss, reason = "a hundred")]
        let tick = 1e6 / rustix::param::clock_ticks_per_second() as f64;
        let mut cpu = Cpu::default();
        for pid in self.family() {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("the server has ended")?;
            // The fields after the name, which may contain anything: the 12th and 13th from there.
            let fields: Vec<_> = stat.rsplit_once(')').context("stat")?.1.split_whitespace().collect();
            let field = |at: usize| -> Result<f64> { Ok(fields.get(at).context("stat")?.parse()?) };
            cpu.user += field(11)? * tick;
            cpu.system += field(12)? * tick;
        }
        Ok(cpu)
    }

    /// The memory of the server and its children.
    ///
    /// # Errors
    ///
    /// If the server has ended.
    pub fn memory(&self) -> Result<Memory> {
        let mut memory = Memory::default();
        for pid in self.family() {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server has ended")?;
            let field = |name: &str| -> Result<f64> {
                let line = text.lines().find_map(|line| line.strip_prefix(name)).context("smaps_rollup")?;
                Ok(line.trim().trim_end_matches("kB").trim().parse()?)
            };
            memory.proportional += field("Pss:")?;
            memory.resident += field("Rss:")?;
        }
        Ok(memory)
    }

    /// How many files and sockets the server and its children have open.
    ///
    /// # Errors
    ///
    /// If the server has ended.
    pub fn descriptors(&self) -> Result<usize> {
        let count = |pid| anyhow::Ok(fs::read_dir(format!("/proc/{pid}/fd")).context("the server has ended")?.count());
        self.family().into_iter().map(count).sum()
    }

    /// The process and its descendants.
    fn family(&self) -> Vec<u32> {
        let mut family = vec![self.child.id()];
        let mut at = 0;
        while let Some(pid) = family.get(at).copied() {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            for task in tasks {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                family.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
            at += 1;
        }
        family
    }
}

/// The command, wrapped so that it ends with this process however that ends, if util-linux is installed.
fn with_its_owner(program: &Command) -> Command {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut command = if env::split_paths(&path).any(|folder| folder.join("setpriv").exists()) {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM"]).arg(program.get_program());
        command
    } else {
        Command::new(program.get_program())
    };
    command.args(program.get_args());
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

impl Process {
    /// Kills the server and its children at once.
    pub fn kill(&mut self) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill();
        }
    }
}
