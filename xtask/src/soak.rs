//! Everything at once for as long as one likes: see BENCHMARKS.md.

use anyhow::{Context, Result, ensure};

use crate::build;
use crate::house::House;
use crate::steps::Steps;

/// How long, unless it is said.
pub(crate) const MINUTES: &str = "60";

pub(crate) fn run(house: &House, steps: &mut Steps, minutes: &str) -> Result<()> {
    build::servers(house, steps, &["bench", "hub"])?;
    let mut soak = house.command(house.program("soak"));
    soak.arg("--hub").arg(house.program("hub")).arg("--out").arg(house.target("bench")).args(["--minutes", minutes]);
    let status = soak.status().context("starting the soak")?;
    ensure!(status.success(), "the soak has failed ({status})");
    Ok(())
}
