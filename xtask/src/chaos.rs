//! The chaos test, with real processes and a network that fails: one hub on SQLite with native clients and a Chromium,
//! or three hubs on a log server.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::browsers::Browsers;
use crate::build;
use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools;

/// How many minutes faults are injected in `cargo xtask test`.
pub(crate) const MINUTES: &str = "2";
/// How many minutes with three hubs on each log server.
pub(crate) const CLUSTER_MINUTES: &str = "1";
pub(crate) const SERVERS: [&str; 2] = ["postgres", "redis"];

pub(crate) fn run(
    repository: &Repository,
    steps: &mut Steps,
    minutes: &str,
    seed: Option<&str>,
    engine: &str,
) -> Result<()> {
    let build_tools = tools::for_building(repository, steps)?;
    let test_tools = tools::for_testing(repository, steps)?;
    build::package(repository, steps, &build_tools)?;
    build::servers(repository, steps, &["hub"])?;
    build(repository, steps)?;
    let mut chaos = command(repository, &test_tools.browsers, minutes, engine);
    if let Some(seed) = seed {
        chaos.args(["--seed", seed]);
    }
    // The output is what the command is run for, so it is not captured in a log.
    let status = chaos.status().context("starting chaos")?;
    ensure!(status.success(), "the promise was broken, or the run failed ({status}); see the output above");
    Ok(())
}

pub(crate) fn build(repository: &Repository, steps: &mut Steps) -> Result<()> {
    steps.run("build chaos", repository.cargo(&["build", "--release", "--package", "tests", "--bin", "chaos"]))
}

/// A run in which clients, pollers and Chromium take part.
pub(crate) fn command(repository: &Repository, browsers: &Browsers, minutes: &str, engine: &str) -> Command {
    let mut command = repository.command(repository.program("chaos"));
    command
        .args(["--minutes", minutes, "--engine", engine, "--browser"])
        .env("TIDINGS_HUB_BIN", repository.program("hub"))
        .env("CHROME_BIN", &browsers.chrome);
    command
}
