//! The size of the npm package for the browsers that load it.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools;

pub(crate) fn run(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let tools = tools::for_building(repository, steps)?;
    build::package(repository, steps, &tools)?;
    // The package measures itself, because Node has gzip and brotli, which this program would have to compile.
    let status = repository.npm("npm", &["run", "--silent", "size"])?.status().context("starting npm")?;
    ensure!(status.success(), "the package exceeds its size budget, or could not be measured; see the output above");
    Ok(())
}
