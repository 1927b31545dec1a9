//! A child that ends with this process, however that ends.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

/// Runs a program, and kills it when nobody writes to the pipe any more: that is when this process has let go of it, or is gone. The shell
/// says the child's number first.
const GUARD: &str =
    r#""$@" </dev/null >&2 & child=$!; echo $child; cat >/dev/null; kill -KILL $child 2>/dev/null; wait $child"#;

#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    pid: Pid,
}

impl Guarded {
    /// Starts the program with its arguments; what it says goes to the end of a file.
    pub(crate) fn start(command: &[String], libraries: Option<&Path>, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log)?;
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "sh"]).args(command);
        guard.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        if let Some(libraries) = libraries {
            guard.env("LD_LIBRARY_PATH", libraries);
        }
        let mut guard = guard.spawn().with_context(|| format!("{command:?}"))?;
        let mut line = String::new();
        BufReader::new(guard.stdout.take().context("a pipe")?).read_line(&mut line)?;
        let pid = line.trim().parse().ok().and_then(Pid::from_raw).context("the number of the child")?;
        Ok(Self { guard, pid })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether the program has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        rustix::process::test_kill_process(self.pid).is_err()
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(self.pid, signal)?)
    }

    /// Waits until the program has ended.
    pub(crate) fn end(mut self) {
        self.close();
    }

    fn close(&mut self) {
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.close();
    }
}
