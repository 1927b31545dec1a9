//! Tidings beside its peers, as figures: never a test, since they are those of one machine in one moment.

use anyhow::{Context, Result, ensure};

use crate::apt;
use crate::build;
use crate::house::House;
use crate::nchan::Nchan;
use crate::stamp::Stamp;
use crate::steps::Steps;

const BETTER_SSE: &str = "bench/better-sse";

pub(crate) fn run(house: &House, steps: &mut Steps, quick: bool, options: &[String]) -> Result<()> {
    build::servers(house, steps, &["bench", "hub"])?;
    let mut bench = house.command(house.program("bench"));
    bench.arg("--hub").arg(house.program("hub"));
    bench.arg("--axum").arg(house.program("bench-axum"));
    bench.arg("--floor").arg(house.program("bench-floor"));
    bench.arg("--out").arg(house.target("bench"));
    // Without a peer the others are measured all the same, and the table says who is missing.
    match Nchan::find_or_unpack(house, steps) {
        Ok(nchan) => {
            bench.arg("--nginx").arg(nchan.nginx).arg("--nchan").arg(nchan.module);
        }
        Err(error) => {
            bench.arg("--missing").arg(format!("nchan={error:#}"));
        }
    }
    match better_sse(house, steps) {
        Ok(()) => {
            bench.arg("--better-sse").arg(house.path(BETTER_SSE).join("server.mjs"));
        }
        Err(error) => {
            bench.arg("--missing").arg(format!("better-sse={error:#}"));
        }
    }
    if quick {
        bench.arg("--quick");
    }
    let status = bench.args(options).status().context("starting the benchmarks")?;
    ensure!(status.success(), "the benchmarks could not be run ({status})");
    Ok(())
}

/// `npm ci` where its lock file is not what is installed. Not in the workspace: nothing else of the house needs it.
fn better_sse(house: &House, steps: &mut Steps) -> Result<()> {
    ensure!(apt::succeeds("node".as_ref(), &["--version"]), "Node is not installed");
    let manifests = ["package.json", "package-lock.json"].map(|name| format!("{BETTER_SSE}/{name}"));
    let inputs: Vec<_> = manifests.iter().map(String::as_str).collect();
    let installed = format!("{BETTER_SSE}/node_modules/.package-lock.json");
    let stamp = Stamp::of(house, "better-sse", &inputs, &[&installed])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    steps.run("npm ci better-sse", house.npm(BETTER_SSE, &["ci", "--no-audit", "--no-fund"])?)?;
    stamp.store()
}
