//! How large the npm package is for the browsers that load it.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools;

pub(crate) fn run(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let tools = tools::for_building(repository, steps)?;
    build::package(repository, steps, &tools)?;
    // The package measures itself: Node has gzip and brotli, which this program would compile.
    let status = repository.npm("npm", &["run", "--silent", "size"])?.status().context("starting npm")?;
    ensure!(status.success(), "the package is above its budget, or could not be measured");
    Ok(())
}
