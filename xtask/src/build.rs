//! Builds everything from source: the Wasm client, the npm package, the front ends and the example servers.
//!
//! Each step of the chain is skipped while its inputs are unchanged. cargo tracks its own inputs.

use anyhow::{Result, ensure};

use crate::repository::Repository;
use crate::stamp::Stamp;
use crate::steps::Steps;
use crate::tools::{self, BuildTools};

/// The compiler flags of the Wasm client, beside its profile. They inline less than for size alone, and switch off
/// partial redundancy elimination and loop strength reduction; all three make the client smaller. The stack is 64 KiB instead of 1 MiB; a page that
/// overflows it would not get far with more either. Constants lie behind the stack, so their addresses become shorter
/// numbers.
const WASM_FLAGS: &str = "-Cllvm-args=-inline-threshold=0 -Cllvm-args=-enable-pre=false -Cllvm-args=-disable-lsr -Clink-arg=-zstack-size=65536";

/// The example apps: each has a front end in `examples/NAME/web`.
const APPS: [&str; 5] = ["timers", "notes", "chat", "tables", "tasks"];

pub(crate) fn all(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let tools = tools::for_building(repository, steps)?;
    web(repository, steps, &tools)?;
    servers(repository, steps, &["apps", "cluster", "hub"])
}

/// Builds everything that a browser loads.
pub(crate) fn web(repository: &Repository, steps: &mut Steps, tools: &BuildTools) -> Result<()> {
    package(repository, steps, tools)?;
    for app in APPS {
        let folder = format!("examples/{app}/web");
        let built = format!("{folder}/dist");
        let inputs = [folder.as_str(), "examples/shared/web", "npm/dist", "package-lock.json"];
        let stamp = Stamp::of(repository, &format!("{app}-web"), &inputs, &[built.as_str()])?;
        let name = format!("{app} front end");
        if stamp.is_fresh() {
            steps.unchanged(&name);
            continue;
        }
        steps.run(&name, repository.npm(&folder, &["run", "build"])?)?;
        stamp.store()?;
    }
    Ok(())
}

/// Builds the npm package, with the Wasm client inside.
pub(crate) fn package(repository: &Repository, steps: &mut Steps, tools: &BuildTools) -> Result<()> {
    wasm(repository, steps, tools)?;
    // The facade imports `device.js` itself, which is not part of what wasm-pack builds for it.
    let inputs = ["npm", "client-wasm/pkg", "client-wasm/src/device.js", "package-lock.json"];
    let stamp = Stamp::of(repository, "npm", &inputs, &["npm/dist"])?;
    let name = "npm package";
    if stamp.is_fresh() {
        steps.unchanged(name);
        return Ok(());
    }
    steps.run(name, repository.npm("npm", &["run", "build"])?)?;
    stamp.store()
}

fn wasm(repository: &Repository, steps: &mut Steps, tools: &BuildTools) -> Result<()> {
    let inputs = ["client-wasm", "protocol", "Cargo.toml", "Cargo.lock", "xtask/src/build.rs"];
    let stamp = Stamp::of(repository, "wasm", &inputs, &["client-wasm/pkg"])?;
    let name = "Wasm client";
    if stamp.is_fresh() {
        steps.unchanged(name);
        return Ok(());
    }
    // In this mode wasm-pack continues silently without wasm-opt if that is missing.
    let optimizer = repository.path("node_modules/.bin/wasm-opt");
    ensure!(optimizer.exists(), "npm's package binaryen did not bring {}", optimizer.display());
    #[rustfmt::skip]
    let arguments = [
        "build", "client-wasm", "--mode", "no-install", "--target", "web", "--profile", "wasm-release",
    ];
    let mut command = tools.wasm_pack(repository, &arguments)?;
    command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", WASM_FLAGS);
    steps.run(name, command)?;
    stamp.store()
}

/// Builds an example server in debug mode, which takes seconds where a release build takes minutes.
pub(crate) fn debug_server(repository: &Repository, steps: &mut Steps, name: &str) -> Result<()> {
    steps.run(&format!("build {name} (debug)"), repository.cargo(&["build", "--package", name]))
}

/// Builds the example servers in release mode.
pub(crate) fn servers(repository: &Repository, steps: &mut Steps, names: &[&str]) -> Result<()> {
    let mut arguments = vec!["build", "--release"];
    for name in names {
        arguments.extend(["--package", name]);
    }
    steps.run(&format!("build {}", names.join(" and ")), repository.cargo(&arguments))
}
