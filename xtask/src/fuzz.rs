//! Fuzzes the parsers of outside input with cargo-fuzz: each target for a while, and a table of the results.
//!
//! It uses the stable compiler: libFuzzer's coverage needs unstable options (`RUSTC_BOOTSTRAP`), but not nightly. It
//! uses no sanitizer, because our code has no `unsafe` and fuzzing is several times faster without one.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::crate_tool::CrateTool;
use crate::repository::{self, Repository};
use crate::steps::Steps;

const CARGO_FUZZ: &str = "0.13.2";
const TARGETS: [&str; 5] = ["decoder", "channel", "cursor", "commands", "tokens"];
/// The folder of the targets.
const FOLDER: &str = "tests/fuzz";
/// The default number of seconds per target.
pub(crate) const SECONDS: &str = "60";

pub(crate) fn run(repository: &Repository, steps: &mut Steps, seconds: &str, only: &[String]) -> Result<()> {
    let seconds: u32 = seconds.parse().context("--seconds: a number")?;
    for name in only {
        ensure!(
            TARGETS.contains(&name.as_str()),
            "there is no fuzz target {name:?}; choose one of {}",
            TARGETS.join(", ")
        );
    }
    let tool = CrateTool { name: "cargo-fuzz", program: "cargo-fuzz", version: CARGO_FUZZ.to_owned(), locked: true };
    let folders: Vec<_> = tool.folder(repository, steps)?.into_iter().collect();
    let path = repository::path_with(&folders)?;
    let fuzz = |arguments: &[&str]| {
        let mut command = repository.cargo(&["fuzz"]);
        command
            .arg(arguments[0])
            .args(["--fuzz-dir", FOLDER])
            .args(&arguments[1..])
            .env("PATH", &path)
            .env("RUSTC_BOOTSTRAP", "1");
        command
    };
    steps.run("fuzz build (minutes)", fuzz(&["build", "--sanitizer", "none"]))?;

    let mut rows = Vec::new();
    let mut failed = None;
    for target in TARGETS.into_iter().filter(|target| only.is_empty() || only.iter().any(|name| name == target)) {
        let corpus = repository.path(FOLDER).join("corpus").join(target);
        fs::create_dir_all(&corpus)?;
        let seeds = repository.path(FOLDER).join("seeds").join(target);
        let mut command = fuzz(&["run", "--sanitizer", "none", target]);
        command.args([&corpus, &seeds]).args(["--", "-print_final_stats=1", "-timeout=10", "-max_len=4096"]);
        command.arg(format!("-max_total_time={seconds}"));
        let name = format!("fuzz {target}, {seconds} s");
        let result = steps.run(&name, command);
        let log = fs::read_to_string(steps.log(&name)).unwrap_or_default();
        rows.push(row(target, &log, result.is_ok()));
        failed = failed.or(result.err());
    }
    println!("\n{:<10} {:>14} {:>10} {:>10}  findings", "target", "executions", "a second", "coverage");
    rows.iter().for_each(|row| println!("{row}"));
    failed.map_or(Ok(()), Err)
}

/// The final output of libFuzzer, as one row of the table.
fn row(target: &str, log: &str, good: bool) -> String {
    let stat = |name: &str| {
        let line = log.lines().rev().find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name));
        line.map_or("?", |value| value.trim_start_matches(':').trim())
    };
    // `#1234 DONE cov: 5 ft: 9 …`
    let coverage = log.lines().rev().find_map(|line| line.split_once(" cov: ")?.1.split(' ').next()).unwrap_or("?");
    let findings = if good { "none" } else { "one; see its log, and tests/fuzz/artifacts" };
    let (all, rate) = (stat("number_of_executed_units"), stat("average_exec_per_sec"));
    format!("{target:<10} {all:>14} {rate:>10} {coverage:>10}  {findings}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_from_what_libfuzzer_says_last() {
        let log = "#2\tINITED cov: 3 ft: 4\n#99\tDONE   cov: 17 ft: 20 corp: 3/3b\n\
                   stat::number_of_executed_units: 99\nstat::average_exec_per_sec:     33\n";
        let words: Vec<_> = row("cursor", log, true).split_whitespace().map(str::to_owned).collect();
        assert_eq!(words, ["cursor", "99", "33", "17", "none"]);
    }
}
