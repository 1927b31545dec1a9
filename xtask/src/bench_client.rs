//! What an event costs the browser, the client beside its peers, and what starting the client costs: in Chromium.

use anyhow::{Context, Result, ensure};

use crate::browsers::Browsers;
use crate::build;
use crate::house::House;
use crate::stamp::Stamp;
use crate::steps::Steps;
use crate::tools;

const FOLDER: &str = "tests/bench/client";

pub(crate) fn run(house: &House, steps: &mut Steps, quick: bool, options: &[String]) -> Result<()> {
    let tools = tools::for_building(house, steps)?;
    build::package(house, steps, &tools)?;
    peers(house, steps)?;
    let browsers = Browsers::find_or_install(house, steps)?;
    let mut node = house.command("node");
    node.arg(house.path(FOLDER).join("run.mjs")).arg(browsers.chrome);
    if quick {
        node.args(["--rounds", "3", "--events", "20000", "--starts", "9"]);
    }
    let status = node.args(options).status().context("starting Node")?;
    ensure!(status.success(), "the client could not be measured ({status})");
    Ok(())
}

/// `npm ci` where its lock file is not what is installed. Not in the workspace: nothing else of the house needs it.
fn peers(house: &House, steps: &mut Steps) -> Result<()> {
    let manifests = ["package.json", "package-lock.json"].map(|name| format!("{FOLDER}/{name}"));
    let inputs: Vec<_> = manifests.iter().map(String::as_str).collect();
    let installed = format!("{FOLDER}/node_modules/.package-lock.json");
    let stamp = Stamp::of(house, "bench-client", &inputs, &[&installed])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    steps.run("npm ci tests/bench/client", house.npm(FOLDER, &["ci", "--no-audit", "--no-fund"])?)?;
    stamp.store()
}
