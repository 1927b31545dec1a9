//! Tidings beside its peers, as figures: never a test, since they are those of one machine in one moment.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::apt;
use crate::build;
use crate::centrifugo;
use crate::nchan::Nchan;
use crate::repository::Repository;
use crate::stamp::{self, Stamp};
use crate::steps::Steps;

const BETTER_SSE: &str = "tests/bench/better-sse";
/// As `server/benches/hot_path` calls them, how many events one pass has, and how often it passes each.
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
    // Without a peer the others are measured all the same, and the table says who is missing.
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
    // Its packages are not where those of the others are.
    if !options.iter().any(|option| option.starts_with("mercure=")) {
        bench.arg("--missing").arg("Mercure=give its Caddy build by --peer mercure=PATH");
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
    let status = bench.args(options).status().context("starting the benchmarks")?;
    ensure!(status.success(), "the benchmarks could not be run ({status})");
    Ok(())
}

/// `npm ci` where its lock file is not what is installed. Not in the workspace: nothing else of the repository needs it.
fn better_sse(repository: &Repository, steps: &mut Steps) -> Result<()> {
    ensure!(apt::succeeds("node".as_ref(), &["--version"]), "Node is not installed");
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

/// What each station took when that was last accepted, and the compiler that it was counted with.
const ACCEPTED: &str = "server/benches/hot_path/instructions.txt";
/// By how much a station may differ from that.
const TOLERANCE: f64 = 0.03;

/// Callgrind on each station of the hot path, which says how many instructions one event takes there: beside what was accepted, and an error
/// where one differs by more than the tolerance, be it to the better. With `accept` the table is written anew.
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
    // Another compiler makes other instructions: then the figures are shown, and none is an error.
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
        println!("counted by another compiler than the table ({compiler}), so nothing is compared");
        return Ok(());
    }
    ensure!(
        differ.is_empty(),
        "{} differ from {ACCEPTED} by more than 3 %; where that is meant, `cargo xtask bench --instructions --accept` writes it anew",
        differ.join(", ")
    );
    Ok(())
}
