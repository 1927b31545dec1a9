//! The simulation: the real hub and client under every fault, many times over, in one process; or, with `--shell`, the
//! built npm package in a Node process of its own.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools;

/// How many schedules `cargo xtask test` runs.
pub(crate) const SEEDS: &str = "100000";
/// How many schedules with presence `cargo xtask test` runs.
pub(crate) const PRESENCE_SEEDS: &str = "20000";
/// How many schedules of the shell `cargo xtask test` runs.
pub(crate) const SHELL_SEEDS: &str = "10000";

/// What a run of the simulation is about.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// The client's core.
    Core,
    /// The npm package as it is built.
    Shell,
    /// The client's core, and hubs that know who is present.
    Presence,
}

pub(crate) fn run(
    repository: &Repository,
    steps: &mut Steps,
    kind: Kind,
    seeds: Option<&str>,
    from: Option<&str>,
) -> Result<()> {
    build(repository, steps)?;
    let mut sim = if kind == Kind::Shell {
        let tools = tools::for_building(repository, steps)?;
        build::package(repository, steps, &tools)?;
        shell_command(repository, seeds.unwrap_or(SHELL_SEEDS))
    } else {
        command(repository, seeds.unwrap_or(SEEDS))
    };
    if kind == Kind::Presence {
        sim.arg("--presence");
    }
    if let Some(from) = from {
        sim.args(["--from", from]);
    }
    // The output is what the command is run for, so it is not captured in a log.
    let status = sim.status().context("starting sim")?;
    ensure!(status.success(), "the promise was broken, or a sabotage was not caught ({status}); see the output above");
    Ok(())
}

pub(crate) fn build(repository: &Repository, steps: &mut Steps) -> Result<()> {
    steps.run("build sim", repository.cargo(&["build", "--release", "--package", "tests", "--bin", "sim"]))
}

pub(crate) fn command(repository: &Repository, seeds: &str) -> Command {
    let mut command = repository.command(repository.program("sim"));
    command.args(["--seeds", seeds]);
    command
}

pub(crate) fn shell_command(repository: &Repository, seeds: &str) -> Command {
    let mut command = command(repository, seeds);
    command.arg("--shell");
    command
}
