//! How large the npm package is for the browsers that load it.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::house::House;
use crate::steps::Steps;
use crate::tools;

pub(crate) fn run(house: &House, steps: &mut Steps) -> Result<()> {
    let tools = tools::for_building(house, steps)?;
    build::package(house, steps, &tools)?;
    // The package measures itself: Node has gzip and brotli, which this program would compile.
    let status = house.npm("npm", &["run", "--silent", "size"])?.status().context("starting npm")?;
    ensure!(status.success(), "the package is above its budget, or could not be measured");
    Ok(())
}
