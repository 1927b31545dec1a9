//! The cost of an event in the browser, of the client and of its peers, and the cost of starting the client, in
//! Chromium.

use anyhow::{Context, Result, ensure};

use crate::browsers::Browsers;
use crate::build;
use crate::repository::Repository;
use crate::stamp::Stamp;
use crate::steps::Steps;
use crate::tools;

const FOLDER: &str = "tests/bench/client";

pub(crate) fn run(repository: &Repository, steps: &mut Steps, quick: bool, options: &[String]) -> Result<()> {
    let tools = tools::for_building(repository, steps)?;
    build::package(repository, steps, &tools)?;
    peers(repository, steps)?;
    let browsers = Browsers::find_or_install(repository, steps)?;
    let mut node = repository.command("node");
    node.arg(repository.path(FOLDER).join("run.mjs")).arg(browsers.chrome);
    if quick {
        node.args(["--rounds", "3", "--events", "20000", "--starts", "9"]);
    }
    let status = node.args(options).status().context("starting Node")?;
    ensure!(status.success(), "measuring the client failed ({status}); see the output above");
    Ok(())
}

/// Runs `npm ci` if the installed packages do not match the lock file. The package is outside the workspace, because
/// nothing else in the repository needs it.
fn peers(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let manifests = ["package.json", "package-lock.json"].map(|name| format!("{FOLDER}/{name}"));
    let inputs: Vec<_> = manifests.iter().map(String::as_str).collect();
    let installed = format!("{FOLDER}/node_modules/.package-lock.json");
    let stamp = Stamp::of(repository, "bench-client", &inputs, &[&installed])?;
    if stamp.is_fresh() {
        return Ok(());
    }
    steps.run("npm ci tests/bench/client", repository.npm(FOLDER, &["ci", "--no-audit", "--no-fund"])?)?;
    stamp.store()
}
