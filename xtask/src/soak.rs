//! Everything at once for as long as one likes: see BENCHMARKS.md.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::repository::Repository;
use crate::steps::Steps;

/// How long, unless it is said.
pub(crate) const MINUTES: &str = "60";

pub(crate) fn run(repository: &Repository, steps: &mut Steps, minutes: &str) -> Result<()> {
    build::servers(repository, steps, &["bench", "hub"])?;
    let mut soak = repository.command(repository.program("soak"));
    soak.arg("--hub")
        .arg(repository.program("hub"))
        .arg("--out")
        .arg(repository.target("bench"))
        .args(["--minutes", minutes]);
    let status = soak.status().context("starting the soak")?;
    ensure!(status.success(), "the soak has failed ({status})");
    Ok(())
}
