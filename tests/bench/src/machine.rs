//! The machine: its hardware, its load, and how many files a process may open.

use std::{fs, thread};

use anyhow::Result;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the number of files that this process and its children may open to `wanted`, or as far as allowed. Returns
/// the new limit.
///
/// # Errors
///
/// If the system refuses a limit that it reported as allowed.
pub fn raise_files(wanted: u64) -> Result<usize> {
    let mut limit = getrlimit(Resource::Nofile);
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if limit.current.is_some_and(|current| current < allowed) {
        limit.current = Some(allowed);
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(usize::try_from(allowed)?)
}

/// Processors, memory and kernel, in one line.
#[must_use]
pub fn describe() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or_else(|| "?".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let threads = thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{threads} × {}, {}, Linux {}",
        field(&cpu, "model name"),
        field(&memory, "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

/// The load average over the last minute.
#[must_use]
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("?").to_owned()
}
