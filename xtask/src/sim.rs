//! The simulation: the real hub and client under every fault, many times over, in one process.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::house::House;
use crate::steps::Steps;

/// How many schedules `cargo xtask test` runs.
pub(crate) const SEEDS: &str = "100000";

pub(crate) fn run(house: &House, steps: &mut Steps, seeds: &str, from: Option<&str>) -> Result<()> {
    build(house, steps)?;
    let mut sim = command(house, seeds);
    if let Some(from) = from {
        sim.args(["--from", from]);
    }
    // What it counts is what one runs it for.
    let status = sim.status().context("starting sim")?;
    ensure!(status.success(), "the promise was broken, or a sabotage was not caught ({status})");
    Ok(())
}

pub(crate) fn build(house: &House, steps: &mut Steps) -> Result<()> {
    steps.run("build sim", house.cargo(&["build", "--release", "--package", "tests", "--bin", "sim"]))
}

pub(crate) fn command(house: &House, seeds: &str) -> Command {
    let mut command = house.command(house.program("sim"));
    command.args(["--seeds", seeds]);
    command
}
