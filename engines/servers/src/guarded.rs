//! A child process that ends with this process, however this process ends.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Runs a program, and kills it when the pipe is closed, which means that this process has dropped it or has died. The
/// shell first prints the child's process id. If this process has died, it left the child's directory behind, so the
/// script removes it; processes that the child started may write to it for a moment longer.
const GUARD: &str = r#"folder=$1; shift; "$@" </dev/null >&2 & child=$!; echo $child
read -r word; kill -KILL $child 2>/dev/null; wait $child
[ "$word" = keep ] || rm -rf "$folder" 2>/dev/null || { sleep 1; rm -rf "$folder"; }"#;

/// How long a server may take to listen: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(60);

/// A child that ends with this process, however that ends. It is in a process group of its own, so that Ctrl-C in a terminal reaches this
/// process alone, which then ends the child.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
    pid: Pid,
}

impl Guarded {
    /// Starts the program with its arguments; what it says goes to the end of the file `log` in its directory, which goes when this
    /// process is killed.
    ///
    /// # Errors
    ///
    /// When the program cannot be started, or its log cannot be written.
    pub fn start(command: &[String], libraries: Option<&Path>, folder: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).arg(folder).args(command);
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).process_group(0);
        if let Some(libraries) = libraries {
            guard.env("LD_LIBRARY_PATH", libraries);
        }
        let mut guard = guard.spawn().with_context(|| format!("{command:?}"))?;
        let mut line = String::new();
        BufReader::new(guard.stdout.take().context("a pipe")?).read_line(&mut line)?;
        let pid = line.trim().parse().ok().and_then(Pid::from_raw).context("the number of the child")?;
        Ok(Self { guard, pid })
    }

    /// Starts a server as [`start`](Self::start) does, and returns when it is ready.
    ///
    /// # Errors
    ///
    /// The same, and if the program ends or is not ready within a minute; the error has its name and its log.
    pub(crate) fn start_server(
        name: &str,
        command: &[String],
        libraries: Option<&Path>,
        folder: &Path,
        is_ready: impl Fn() -> bool,
    ) -> Result<Self> {
        let running = Self::start(command, libraries, folder)?;
        let started = Instant::now();
        while !is_ready() {
            let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            ensure!(!running.has_ended() && started.elapsed() < PATIENCE, "{name} did not start: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the program has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        // A program that has ended remains a zombie until its parent, the shell, waits for it.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap_or_default();
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        state == Some('Z') || rustix::process::test_kill_process(self.pid).is_err()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Kills the program (SIGKILL), and waits until it has ended. Its directory stays.
    pub fn end(mut self) {
        self.close();
    }

    fn close(&mut self) {
        // The directory belongs to this process, which removes it itself, or starts the program in it again.
        if let Some(mut pipe) = self.guard.stdin.take() {
            let _ = pipe.write_all(b"keep\n");
        }
        let _ = self.guard.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether a server accepts connections on this port of 127.0.0.1.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// The processor time of a process, and of its children that have ended; none if it has ended itself.
#[must_use]
pub fn processor_time(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // After the program's name, which may contain spaces: the times are the fields 14 to 17 of proc(5), in ticks of
    // which Linux counts 100 a second for every program.
    let fields = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').skip(11).take(4)).into_iter().flatten();
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
