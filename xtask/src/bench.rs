//! Benchmarks of Tidings and its peers. They print figures of one machine at one moment, and are never a test.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use crate::apt;
use crate::build;
use crate::centrifugo;
use crate::nchan::Nchan;
use crate::repository::Repository;
use crate::stamp::{self, Stamp};
use crate::steps::Steps;

const BETTER_SSE: &str = "tests/bench/better-sse";
/// The names by which `server/benches/hot_path` calls its stations, and how many events one pass of each has.
const STATIONS: [(&str, u64); 11] = [
    ("encode", 1),
    ("decode", 64),
    ("append", 1),
    ("apply", 1),
    ("match_all", 1),
    ("match_one", 1),
    ("match_one_of_many", 1),
    ("gather", 1),
    ("open", 1),
    ("append_shown", 1),
    ("gather_shown", 1),
];
const TIMES: u64 = 1_000;

pub(crate) fn run(repository: &Repository, steps: &mut Steps, quick: bool, options: &[String]) -> Result<()> {
    build::servers(repository, steps, &["bench", "hub"])?;
    let mut bench = repository.command(repository.program("bench"));
    bench.arg("--hub").arg(repository.program("hub"));
    bench.arg("--axum").arg(repository.program("bench-axum"));
    bench.arg("--floor").arg(repository.program("bench-floor"));
    bench.arg("--out").arg(repository.target("bench"));
    // Without one of the peers the others are measured all the same, and the table says which one is missing.
    match Nchan::find_or_unpack(repository, steps) {
        Ok(nchan) => {
            bench.arg("--nginx").arg(nchan.nginx).arg("--nchan").arg(nchan.module);
        }
        Err(error) => {
            bench.arg("--missing").arg(format!("nchan={error:#}"));
        }
    }
    match centrifugo::find_or_build(repository, steps) {
        Ok(program) => {
            bench.arg("--peer").arg(format!("centrifugo={}", program.display()));
        }
        Err(error) => {
            bench.arg("--missing").arg(format!("Centrifugo={error:#}"));
        }
    }
    // Mercure's packages are not in the same place as those of the others.
    if !options.iter().any(|option| option.starts_with("mercure=")) {
        bench.arg("--missing").arg("Mercure=pass its Caddy build as --peer mercure=PATH");
    }
    match better_sse(repository, steps) {
        Ok(()) => {
            bench.arg("--better-sse").arg(repository.path(BETTER_SSE).join("server.mjs"));
        }
        Err(error) => {
            bench.arg("--missing").arg(format!("better-sse={error:#}"));
        }
    }
    if quick {
        bench.arg("--quick");
    }
    for option in options {
        bench.arg(option);
        if option == "--write" {
            bench.arg(repository.path("BENCHMARKS.md"));
        }
    }
    let status = bench.status().context("starting the benchmarks")?;
    ensure!(status.success(), "the benchmarks failed ({status}); see the output above");
    Ok(())
}

/// Measures hubs on PostgreSQL and Redis (`cluster`), up to 100 tails of one log (`tails`), or what a delivery costs one
/// hub and three (`fanout`). The servers are found, or
/// unpacked, by the program itself.
pub(crate) fn servers(repository: &Repository, example: &str, directory: Option<PathBuf>) -> Result<()> {
    let mut bench = repository.cargo(&["run", "--release", "-p", "tidings-servers", "--example", example, "--"]);
    let status = bench.args(directory).status().context("starting the benchmark")?;
    ensure!(status.success(), "the benchmark failed ({status}); see the output above");
    Ok(())
}

/// Runs `npm ci` if the installed packages do not match the lock file. The package is outside the workspace, because
/// nothing else in the repository needs it.
fn better_sse(repository: &Repository, steps: &mut Steps) -> Result<()> {
    ensure!(apt::succeeds("node".as_ref(), &["--version"]), "Node is not installed; install Node 20 or newer");
    let manifests = ["package.json", "package-lock.json"].map(|name| format!("{BETTER_SSE}/{name}"));
    let inputs: Vec<_> = manifests.iter().map(String::as_str).collect();
    let installed = format!("{BETTER_SSE}/node_modules/.package-lock.json");
    let stamp = Stamp::of(repository, "better-sse", &inputs, &[&installed])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    steps.run("npm ci better-sse", repository.npm(BETTER_SSE, &["ci", "--no-audit", "--no-fund"])?)?;
    stamp.store()
}

/// The instruction counts that were last accepted, and the compiler that they were counted with.
const ACCEPTED: &str = "server/benches/hot_path/instructions.txt";
/// How far a station may differ from its accepted count.
const TOLERANCE: f64 = 0.03;

/// Counts the instructions per event with Callgrind on each station of the hot path, and compares them with the
/// accepted counts. A station that differs by more than the tolerance, in either direction, is an error. With `accept`,
/// the table is rewritten.
pub(crate) fn instructions(repository: &Repository, steps: &mut Steps, accept: bool) -> Result<()> {
    if which::which("valgrind").is_err() {
        apt::install(repository, steps, "valgrind is", &["valgrind"])?;
    }
    let profiles = repository.target("bench/callgrind");
    fs::create_dir_all(&profiles).with_context(|| format!("creating {}", profiles.display()))?;
    let bench = ["bench", "--package", "tidings", "--features", "simulation", "--bench", "hot_path"];
    steps.run("build hot_path", repository.cargo(&[&bench[..], &["--no-run"]].concat()))?;
    let accepted = fs::read_to_string(repository.path(ACCEPTED)).with_context(|| format!("reading {ACCEPTED}"))?;
    let compiler = stamp::compiler();
    // Another compiler generates other instructions, so the counts are shown without being compared.
    let is_same_compiler = accepted.lines().next() == Some(compiler);
    let before = |station: &str| {
        let row = accepted.lines().find_map(|line| line.strip_prefix(station)?.strip_prefix(' '));
        row.and_then(|row| row.trim().parse::<u64>().ok())
    };
    let (mut table, mut differ) = (format!("{compiler}\n"), Vec::new());
    println!("\n{:<18} {:>22} {:>12} {:>8}", "station", "instructions per event", "accepted", "ratio");
    for (station, events) in STATIONS {
        let profile = profiles.join(station);
        let runner = format!(
            "target.'cfg(all())'.runner=['valgrind','--tool=callgrind','--toggle-collect=*measured_pass*',\
             '--callgrind-out-file={}']",
            profile.display()
        );
        let mut cargo = repository.cargo(&["--config", &runner]);
        let output = cargo.args(bench).args(["--", "--count", station]).output().context("starting cargo")?;
        let said = String::from_utf8_lossy(&output.stderr);
        let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok());
        let Some(collected) = collected.filter(|_| output.status.success()) else {
            bail!("callgrind did not count {station}:\n{said}");
        };
        let now = collected / (TIMES * events);
        table.push_str(&format!("{station} {now}\n"));
        let ratio = before(station).map(|before| now as f64 / before as f64);
        let shown = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        println!(
            "{station:<18} {now:>22} {:>12} {:>8}",
            shown(before(station).map(|before| before.to_string())),
            shown(ratio.map(|ratio| format!("{ratio:.3}")))
        );
        if ratio.is_none_or(|ratio| (ratio - 1.0).abs() > TOLERANCE) {
            differ.push(station);
        }
    }
    println!("\nwhere they are spent: callgrind_annotate {}/STATION", profiles.display());
    if accept {
        return fs::write(repository.path(ACCEPTED), table).with_context(|| format!("writing {ACCEPTED}"));
    }
    if !is_same_compiler {
        println!("the table was counted with another compiler than {compiler}, so nothing is compared");
        return Ok(());
    }
    ensure!(
        differ.is_empty(),
        "{} differ from {ACCEPTED} by more than 3 %; where that is meant, `cargo xtask bench --instructions --accept` writes it anew",
        differ.join(", ")
    );
    Ok(())
}
