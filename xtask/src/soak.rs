//! The soak test: everything at once for as long as you like; see BENCHMARKS.md.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::repository::Repository;
use crate::steps::Steps;

/// The default number of minutes.
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
    ensure!(status.success(), "the soak test failed ({status}); see the output above");
    Ok(())
}
