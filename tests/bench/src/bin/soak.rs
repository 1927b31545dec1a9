//! Runs the soak on both engines at the same time, prints a line a minute for each, and draws the chart.
#![allow(clippy::print_stdout, reason = "the program prints figures")]

use std::{fs, path::PathBuf, thread};

use anyhow::{Context, Result, bail};
use bench::{machine, soak};
use lexopt::ValueExt;

const HELP: &str = "\
Usage: soak --hub PATH --out FOLDER [--minutes 60]
`cargo xtask soak` builds the hub and calls it.";
const ENGINES: [&str; 2] = ["memory", "sqlite"];

fn main() -> Result<()> {
    let (mut hub, mut out, mut minutes) = (None, None, 60);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            lexopt::Arg::Long("hub") => hub = Some(PathBuf::from(arguments.value()?)),
            lexopt::Arg::Long("out") => out = Some(PathBuf::from(arguments.value()?)),
            lexopt::Arg::Long("minutes") => minutes = arguments.value()?.parse()?,
            _ => return Err(argument.unexpected()).context(HELP),
        }
    }
    let (hub, out) = hub.zip(out).context(HELP)?;
    fs::create_dir_all(&out)?;
    machine::raise_files(30_000)?;
    let folder = tempfile::TempDir::new()?;
    println!("{}", machine::describe());
    println!("engine  minute  MiB     files  p50 ms  p99 ms  open   lost  events");
    let courses = thread::scope(|scope| -> Result<Vec<_>> {
        let runs: Vec<_> = ENGINES
            .into_iter()
            .map(|engine| {
                let (hub, folder) = (&hub, folder.path());
                let show = move |minute: usize, now: &soak::Minute| {
                    println!(
                        "{engine:<7} {minute:>6}  {:<6.1} {:>6}  {:>6.2}  {:>6.2}  {:>5}  {:>4}  {}",
                        now.resident, now.descriptors, now.p50, now.p99, now.open, now.lost, now.events,
                    );
                };
                scope.spawn(move || soak::run(hub, engine, minutes, folder, show))
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap_or_else(|_| bail!("a soak panicked"))).collect()
    })?;
    for course in &courses {
        let growth = course.growth().map_or_else(
            || String::from("too short to say how it grows"),
            |growth| format!("{:+.1} % since minute 15", growth * 100.0),
        );
        println!("{}: resident memory {growth}; {} descriptors left", course.engine, course.left);
    }
    let chart = out.join("soak.svg");
    fs::write(&chart, soak::svg(&courses)).with_context(|| format!("writing {}", chart.display()))?;
    println!("wrote {}", chart.display());
    Ok(())
}
