//! One line per step: its name, and how long it took.
//!
//! The output of a step goes to its log. If the step fails, the end of the log is shown.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How many lines of a failed step's log are shown.
const TAIL: usize = 60;

pub(crate) struct Steps {
    logs: PathBuf,
    started: Instant,
    done: Vec<Done>,
}

struct Done {
    name: String,
    took: Duration,
    outcome: &'static str,
}

impl Steps {
    pub(crate) fn new(logs: PathBuf) -> Result<Self> {
        fs::create_dir_all(&logs).with_context(|| format!("creating {}", logs.display()))?;
        Ok(Self { logs, started: Instant::now(), done: Vec::new() })
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    ///
    /// If the command cannot be started or fails. The message names the step and its log.
    pub(crate) fn run(&mut self, name: &str, command: Command) -> Result<()> {
        self.run_again_if(name, command, 1, |_| false)
    }

    /// Runs a command to its end, up to `attempts` times while it fails with a log that `is_stuck` recognises as the
    /// fault of a tool and not of what is tested.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), of the last attempt.
    pub(crate) fn run_again_if(
        &mut self,
        name: &str,
        mut command: Command,
        attempts: usize,
        is_stuck: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let log = self.log(name);
        for attempt in 1.. {
            let mut output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
            // The environment is left out, which `{command:?}` would print.
            write!(output, "{}", command.get_program().to_string_lossy())?;
            for argument in command.get_args() {
                write!(output, " {}", argument.to_string_lossy())?;
            }
            writeln!(output, "\n")?;
            command.stdout(output.try_clone()?).stderr(output);

            let started = Instant::now();
            let status = show_while(name, || command.status());
            let took = started.elapsed();
            let good = status.as_ref().is_ok_and(|status| status.success());
            let again = !good && attempt < attempts && is_stuck(&text(&log)?);
            let outcome = match (good, again) {
                (true, _) => "ok",
                (_, true) => "stuck, again",
                _ => "FAILED",
            };
            println!("{:>12}  {outcome}", clock(took));
            self.done.push(Done { name: name.to_owned(), took, outcome });

            let status =
                status.with_context(|| format!("step \"{name}\": cannot start {:?}", command.get_program()))?;
            if good {
                break;
            }
            if !again {
                println!("\n{}", tail(&log)?);
                bail!("step \"{name}\" failed ({status}); its log: {}", log.display());
            }
        }
        Ok(())
    }

    /// The path of a step's log.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{}.log", slug(name)))
    }

    /// Records that a step has nothing to do.
    pub(crate) fn unchanged(&mut self, name: &str) {
        println!("{name:<48} {:>12}  unchanged", clock(Duration::ZERO));
        self.done.push(Done { name: name.to_owned(), took: Duration::ZERO, outcome: "unchanged" });
    }

    /// Prints the table at the end.
    pub(crate) fn summary(&self) {
        println!("\n{:<48} {:>12}", "step", "time");
        for Done { name, took, outcome } in &self.done {
            println!("{name:<48} {:>12}  {outcome}", clock(*took));
        }
        println!("{:<48} {:>12}", "total", clock(self.elapsed()));
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Shows the step's name while it runs, on a terminal with a running clock.
fn show_while<T>(name: &str, work: impl FnOnce() -> T) -> T {
    if !io::stdout().is_terminal() {
        print!("{name:<48} ");
        let _ = io::stdout().flush();
        return work();
    }
    let started = Instant::now();
    let (finished, wait) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            loop {
                print!("\r{name:<48} {:>12}", clock(started.elapsed()));
                let _ = io::stdout().flush();
                if wait.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                    // The line with the outcome replaces this one.
                    print!("\r{name:<48} ");
                    return;
                }
            }
        });
        let result = work();
        drop(finished);
        result
    })
}

pub(crate) fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 60.. => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{:.1} s", time.as_secs_f32()),
    }
}

/// A name as it may be used in a file name.
pub(crate) fn slug(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").to_lowercase()
}

fn text(log: &Path) -> Result<String> {
    let bytes = fs::read(log).with_context(|| format!("reading {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn tail(log: &Path) -> Result<String> {
    let text = text(log)?;
    let lines: Vec<_> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_named_after_its_step() {
        assert_eq!(slug("cargo test --workspace"), "cargo-test-workspace");
        assert_eq!(slug("Wasm client (typed)"), "wasm-client-typed");
    }

    #[test]
    fn a_minute_and_more_is_shown_in_minutes() {
        assert_eq!(clock(Duration::from_millis(59_940)), "59.9 s");
        assert_eq!(clock(Duration::from_secs(125)), "2 min 05 s");
    }
}
