//! `cargo run --release -p tests --bin chaos -- --minutes 2`: the chaos test, with real processes and a network that
//! fails. Exits with 1 if the promise was broken, and names the seed.

use std::{env, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use lexopt::prelude::*;
use tests::chaos::{self, Engine, Options};
use tokio::signal::unix::{SignalKind, signal};

/// The most violations that are printed; a thousand more add nothing.
const SHOWN: usize = 40;

const HELP: &str = "\
Usage: chaos [--minutes 2] [--seed S] [--engine sqlite|memory|postgres|redis] [--browser] [--swallow]

On postgres or redis, which it starts, three hubs share the log, behind an nginx that knows no sessions.

With --swallow the network loses frames without a trace, which must be found.

The hub's program is the one beside this, or TIDINGS_HUB_BIN; the browser is CHROME_BIN.
";

#[tokio::main]
#[allow(clippy::print_stdout, reason = "the program prints its findings")]
async fn main() -> Result<ExitCode> {
    let Some(options) = parse(lexopt::Parser::from_env())? else {
        print!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    };
    let seed = options.seed;
    println!("chaos: seed {seed}, {:.1} minutes", options.time.as_secs_f64() / 60.0);
    let report = tokio::select! {
        report = chaos::run(options) => report.with_context(|| format!("seed {seed}"))?,
        // Dropping the run ends its processes, including stopped ones.
        () = asked_to_end() => bail!("the run was interrupted; seed {seed}"),
    };
    print!("{}", report.counts);
    println!("{:<28} {:>9}", "violations", report.violations.len());
    if report.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for violation in report.violations.iter().take(SHOWN) {
        println!("  {violation}");
    }
    println!("seed {seed}");
    Ok(ExitCode::FAILURE)
}

async fn asked_to_end() {
    let ctrl_c = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = ctrl_c => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(ctrl_c.await),
    }
}

fn parse(mut arguments: lexopt::Parser) -> Result<Option<Options>> {
    let (mut minutes, mut seed, mut durable) = (2.0, fastrand::u64(..1_000_000_000), true);
    let (mut browser, mut swallow, mut cluster) = (false, false, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("help") | Short('h') => return Ok(None),
            Long("minutes") => minutes = arguments.value()?.parse()?,
            Long("seed") => seed = arguments.value()?.parse()?,
            Long("engine") => {
                (durable, cluster) = arguments.value()?.parse_with(|name| match name {
                    "sqlite" => Ok((true, None)),
                    "memory" => Ok((false, None)),
                    "postgres" => Ok((true, Some(Engine::Postgres))),
                    "redis" => Ok((true, Some(Engine::Redis))),
                    _ => Err("sqlite, memory, postgres or redis"),
                })?;
            }
            Long("browser") => browser = true,
            Long("swallow") => swallow = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let time = Duration::try_from_secs_f64(minutes * 60.0).context("--minutes")?;
    Ok(Some(Options { time, seed, cluster, durable, browser, swallow, hub: hub()? }))
}

fn hub() -> Result<PathBuf> {
    match env::var_os("TIDINGS_HUB_BIN") {
        Some(path) => Ok(path.into()),
        None => Ok(env::current_exe()?.with_file_name(format!("hub{}", env::consts::EXE_SUFFIX))),
    }
}
