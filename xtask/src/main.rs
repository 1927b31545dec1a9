//! `cargo xtask …`: the scripts of the repository.
//!
//! - `repository`: the folders of the repository, the target folder, the user's cache
//! - `steps`: runs one command per step, shows its progress, keeps its log, and prints a summary at the end
//! - `stamp`: knows whether the inputs of a step changed since it last succeeded
//! - `tools`, `crate_tool`, `browsers`, `apt`, `debian`, `nchan`, `centrifugo`: install missing tools
//! - `build`, `demo`, `dev`, `test`, `sim`, `chaos`, `fuzz`, `bench`, `soak`, `package`, `compat`, `release`, `size`:
//!   one command each
//!
//! This program is compiled before each of its commands runs, so it has few and small dependencies.

mod apt;
mod bench;
mod bench_client;
mod browsers;
mod build;
mod centrifugo;
mod chaos;
mod compat;
mod crate_tool;
mod debian;
mod demo;
mod dev;
mod fuzz;
mod nchan;
mod package;
mod release;
mod repository;
mod sim;
mod size;
mod soak;
mod stamp;
mod steps;
mod test;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use lexopt::prelude::*;

use crate::repository::Repository;
use crate::steps::Steps;

const HELP: &str = "\
The scripts of Tidings. What they need and does not come with rustup or Node, they install.

Usage: cargo xtask <COMMAND>

  demo [--port 4000]   build everything and serve the example apps on 127.0.0.1
  demo --cluster [--engine postgres|redis] [--port 4000]
                       the timers on three hubs that share a log on PostgreSQL (or Redis), which it starts too, and a page whose
                       buttons kill and restart each hub (Linux)
  dev [--port 4000]    the same in debug builds, built again whenever a source changes
  test [--only server|client|npm|e2e]…
                       all checks and tests, in browsers too; what has passed before and has not changed since is not run again
  sim [--shell | --presence] [--seeds 100000] [--from S]
                       let everything go wrong under a real hub and client in one process, and check what each heard;
                       without S from a seed that the clock draws and the run prints; with --shell (10000 seeds) the client is
                       the npm package as it is built, on the fake globals of pages in Node; with --presence the hubs know who
                       is present, and the lists are judged
  chaos [--minutes 2] [--seed S] [--engine sqlite|postgres|redis]
                       kill and stop a hub under real clients, and check what each of them got; on postgres or redis three
                       hubs, behind nginx, and the server too
  fuzz [--seconds 60] [TARGET]…
                       feed what comes from outside with inputs that libFuzzer invents, for so long each
  bench [--quick] [--rounds 5] [--only NAME]… [--scenario NAME]… [--peer mercure=PATH] [--before HUB] [--write]
                       Tidings beside its peers: speed, memory and storms, as one table, which --write puts into BENCHMARKS.md
  bench --faults       the same cuts and kills to Tidings and its peers: what was acknowledged and never heard
  soak [--minutes 60]  everything at once on a hub of each engine: its memory, files and latency, minute by minute
  bench --client [--quick] [--rounds 7] [--starts 30]
                       what an event and the start cost the browser, in Chromium: the client beside its peers
  bench --cluster [DIRECTORY]
                       hubs on PostgreSQL and Redis, beside the servers' own tools in the same run; the servers keep their data in
                       DIRECTORY, otherwise in memory
  bench --tails        up to 100 tails of one log: what they cost its server, and how late they are
  bench --fanout       what a delivery to 15,000 streams costs one hub and three hubs that share a log
  bench --instructions [--accept]
                       instructions of the hot path under callgrind, which a busy machine does not change, beside those accepted last;
                       an error where they differ by more than 3 %
  setup                only install what `demo` and `test` need
  build                the Wasm client, the npm package, the front end and the example servers
  package              the npm package as a tarball, in target/packaging
  package --check [NAME]…
                       that tarball in every bundler, framework and proxy, in browsers, as a table
  compat               the crates with the lowest versions that they allow, on the oldest Rust, for other systems, and their docs
  release [--dry-run]  the crates' tarballs in order, the npm tarball, the named Wasm, notes, checksums and the tag, in target/release-VERSION;
                       each is checked, and published unless it is a dry run
  size                 raw, gzip and brotli size of the npm package's entry and Wasm
";

const DEFAULT_PORT: u16 = 4000;

enum Task {
    Demo { port: u16, cluster: bool, engine: String },
    Dev { port: u16 },
    Test { only: Vec<test::Part> },
    Sim { kind: sim::Kind, seeds: Option<String>, from: Option<String> },
    Chaos { minutes: String, seed: Option<String>, engine: String },
    Fuzz { seconds: String, only: Vec<String> },
    Tails,
    Fanout,
    Cluster { directory: Option<PathBuf> },
    Bench { quick: bool, instructions: bool, accept: bool, client: bool, options: Vec<String> },
    Soak { minutes: String },
    Setup,
    Build,
    Package { check: bool, only: Vec<String> },
    Compat,
    Release { dry: bool },
    Size,
    Help,
}

fn main() -> ExitCode {
    match parse(lexopt::Parser::from_env()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The error is printed here and not returned, which would show a backtrace of this program too.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let repository = Repository::find()?;
    let mut steps = Steps::new(repository.logs())?;
    match task {
        Task::Demo { port, cluster: true, engine } => demo::run_cluster(&repository, &mut steps, port, &engine),
        Task::Demo { port, .. } => demo::run(&repository, &mut steps, port),
        Task::Dev { port } => dev::run(&repository, &mut steps, port),
        Task::Test { only } => test::run(&repository, &mut steps, &only),
        Task::Fuzz { seconds, only } => fuzz::run(&repository, &mut steps, &seconds, &only),
        Task::Sim { kind, seeds, from } => sim::run(&repository, &mut steps, kind, seeds.as_deref(), from.as_deref()),
        Task::Chaos { minutes, seed, engine } => {
            chaos::run(&repository, &mut steps, &minutes, seed.as_deref(), &engine)
        }
        Task::Cluster { directory } => bench::servers(&repository, "cluster", directory),
        Task::Tails => bench::servers(&repository, "tails", None),
        Task::Fanout => bench::servers(&repository, "fanout", None),
        Task::Bench { instructions: true, accept, .. } => bench::instructions(&repository, &mut steps, accept),
        Task::Bench { client: true, quick, options, .. } => bench_client::run(&repository, &mut steps, quick, &options),
        Task::Bench { quick, options, .. } => bench::run(&repository, &mut steps, quick, &options),
        Task::Soak { minutes } => soak::run(&repository, &mut steps, &minutes),
        Task::Setup => setup(&repository, &mut steps),
        Task::Build => build::all(&repository, &mut steps),
        Task::Package { check, only } => package::run(&repository, &mut steps, check, &only),
        Task::Compat => compat::run(&repository, &mut steps),
        Task::Release { dry } => release::run(&repository, &mut steps, dry),
        Task::Size => size::run(&repository, &mut steps),
        Task::Help => {
            print!("{HELP}");
            Ok(())
        }
    }
}

fn setup(repository: &Repository, steps: &mut Steps) -> Result<()> {
    tools::for_building(repository, steps)?;
    tools::for_testing(repository, steps)?;
    println!("everything is in place");
    Ok(())
}

fn parse(mut arguments: lexopt::Parser) -> Result<Task> {
    let mut task = None;
    while let Some(argument) = arguments.next()? {
        match (argument, &mut task) {
            (Long("help") | Short('h'), _) => return Ok(Task::Help),
            (Long("port"), Some(Task::Demo { port, .. } | Task::Dev { port })) => *port = arguments.value()?.parse()?,
            (Long("only"), Some(Task::Test { only })) => only.push(test::Part::parse(&arguments.value()?.string()?)?),
            (Long("shell"), Some(Task::Sim { kind, .. })) => *kind = sim::Kind::Shell,
            (Long("presence"), Some(Task::Sim { kind, .. })) => *kind = sim::Kind::Presence,
            (Long("seeds"), Some(Task::Sim { seeds, .. })) => *seeds = Some(arguments.value()?.string()?),
            (Long("from"), Some(Task::Sim { from, .. })) => *from = Some(arguments.value()?.string()?),
            (Long("minutes"), Some(Task::Chaos { minutes, .. })) => *minutes = arguments.value()?.string()?,
            (Long("minutes"), Some(Task::Soak { minutes })) => *minutes = arguments.value()?.string()?,
            (Long("cluster"), Some(Task::Demo { cluster, .. })) => *cluster = true,
            (Long("engine"), Some(Task::Demo { cluster: true, engine, .. } | Task::Chaos { engine, .. })) => {
                *engine = arguments.value()?.string()?
            }
            (Long("seed"), Some(Task::Chaos { seed, .. })) => *seed = Some(arguments.value()?.string()?),
            (Long("seconds"), Some(Task::Fuzz { seconds, .. })) => *seconds = arguments.value()?.string()?,
            (Value(name), Some(Task::Fuzz { only, .. })) => only.push(name.string()?),
            (Long("quick"), Some(Task::Bench { quick, .. })) => *quick = true,
            (Long(name @ ("faults" | "write")), Some(Task::Bench { options, .. })) => options.push(format!("--{name}")),
            (Long("client"), Some(Task::Bench { client, .. })) => *client = true,
            (Long("cluster"), Some(Task::Bench { .. })) => task = Some(Task::Cluster { directory: None }),
            (Long("tails"), Some(Task::Bench { .. })) => task = Some(Task::Tails),
            (Long("fanout"), Some(Task::Bench { .. })) => task = Some(Task::Fanout),
            (Value(path), Some(Task::Cluster { directory })) => *directory = Some(PathBuf::from(path)),
            (Long("instructions"), Some(Task::Bench { instructions, .. })) => *instructions = true,
            (Long("accept"), Some(Task::Bench { accept, .. })) => *accept = true,
            (
                Long(name @ ("rounds" | "events" | "starts" | "only" | "scenario" | "peer" | "before")),
                Some(Task::Bench { options, .. }),
            ) => {
                options.push(format!("--{name}"));
                options.push(arguments.value()?.string()?);
            }
            (Long("dry-run"), Some(Task::Release { dry })) => *dry = true,
            (Long("check"), Some(Task::Package { check, .. })) => *check = true,
            (Value(name), Some(Task::Package { check: true, only })) => only.push(name.string()?),
            (Value(name), None) => {
                task = Some(match name.string()?.as_str() {
                    "demo" => Task::Demo { port: DEFAULT_PORT, cluster: false, engine: "postgres".to_owned() },
                    "dev" => Task::Dev { port: DEFAULT_PORT },
                    "test" => Task::Test { only: Vec::new() },
                    "sim" => Task::Sim { kind: sim::Kind::Core, seeds: None, from: None },
                    "chaos" => {
                        Task::Chaos { minutes: chaos::MINUTES.to_owned(), seed: None, engine: "sqlite".to_owned() }
                    }
                    "fuzz" => Task::Fuzz { seconds: fuzz::SECONDS.to_owned(), only: Vec::new() },
                    "bench" => Task::Bench {
                        quick: false,
                        instructions: false,
                        accept: false,
                        client: false,
                        options: Vec::new(),
                    },
                    "soak" => Task::Soak { minutes: soak::MINUTES.to_owned() },
                    "setup" => Task::Setup,
                    "build" => Task::Build,
                    "package" => Task::Package { check: false, only: Vec::new() },
                    "compat" => Task::Compat,
                    "release" => Task::Release { dry: false },
                    "size" => Task::Size,
                    "help" => Task::Help,
                    other => bail!("there is no `cargo xtask {other}`; see `cargo xtask help`"),
                });
            }
            (other, _) => return Err(other.unexpected().into()),
        }
    }
    Ok(task.unwrap_or(Task::Help))
}
