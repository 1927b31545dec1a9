//! How large the npm package is for the browsers that load it.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::house::House;
use crate::steps::Steps;
use crate::tools;

/// Node brings gzip and brotli along; Rust would have to compile them for this alone.
const SCRIPT: &str = include_str!("size.mjs");

pub(crate) fn run(house: &House, steps: &mut Steps) -> Result<()> {
    let tools = tools::for_building(house, steps)?;
    build::package(house, steps, &tools)?;
    let status =
        house.command("node").args(["--input-type=module", "--eval", SCRIPT]).status().context("starting node")?;
    ensure!(status.success(), "the package could not be measured");
    Ok(())
}
