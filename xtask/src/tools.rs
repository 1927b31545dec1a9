//! The tools that building and testing need beyond rustup's cargo and Node. Missing ones are installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::apt;
use crate::browsers::Browsers;
use crate::crate_tool::CrateTool;
use crate::repository::{self, Repository};
use crate::stamp::Stamp;
use crate::steps::Steps;

pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";
const WASM_PACK: &str = "0.15.1";
const GECKODRIVER: &str = "0.37.1";
const OLDEST_NODE: u32 = 20;

/// The tools of a build.
pub(crate) struct BuildTools {
    /// The folders to put in front of PATH.
    folders: Vec<PathBuf>,
}

/// The tools that only the tests need.
pub(crate) struct TestTools {
    pub(crate) browsers: Browsers,
    pub(crate) geckodriver: PathBuf,
}

pub(crate) fn for_building(repository: &Repository, steps: &mut Steps) -> Result<BuildTools> {
    check_node()?;
    check_c_compiler(repository, steps)?;
    wasm_target(repository, steps)?;
    let bindgen = locked_version(&fs::read_to_string(repository.path("Cargo.lock"))?, "wasm-bindgen")?;
    let crates = [
        CrateTool { name: "wasm-pack", program: "wasm-pack", version: WASM_PACK.to_owned(), locked: true },
        CrateTool {
            name: "wasm-bindgen-cli",
            program: "wasm-bindgen",
            version: bindgen,
            // Its lock file names versions that were withdrawn since.
            locked: false,
        },
    ];
    let mut folders = Vec::new();
    for tool in &crates {
        folders.extend(tool.folder(repository, steps)?);
    }
    node_modules(repository, steps)?;
    // This folder contains wasm-opt.
    folders.push(repository.path("node_modules/.bin"));
    Ok(BuildTools { folders })
}

pub(crate) fn for_testing(repository: &Repository, steps: &mut Steps) -> Result<TestTools> {
    component(repository, steps, "rustfmt", "fmt")?;
    component(repository, steps, "clippy", "clippy")?;
    let browsers = Browsers::find_or_install(repository, steps)?;
    let geckodriver = match env::var_os("GECKODRIVER") {
        Some(path) => path.into(),
        None => {
            CrateTool { name: "geckodriver", program: "geckodriver", version: GECKODRIVER.to_owned(), locked: true }
                .path(repository, steps)?
        }
    };
    Ok(TestTools { browsers, geckodriver })
}

impl BuildTools {
    /// wasm-pack, which finds the other tools on its PATH and therefore downloads nothing.
    pub(crate) fn wasm_pack(&self, repository: &Repository, arguments: &[&str]) -> Result<Command> {
        let path = repository::path_with(&self.folders)?;
        let program = which::which_in("wasm-pack", Some(&path), repository.path(""))?;
        let mut command = repository.command(program);
        command.env("PATH", path).args(arguments);
        Ok(command)
    }
}

/// Runs `npm ci` for all npm packages of the repository if the installed packages do not match the lock file.
fn node_modules(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let manifests = ["package.json", "package-lock.json"];
    // npm writes this file last.
    let installed = ["node_modules/.package-lock.json"];
    let stamp = Stamp::of(repository, "node-modules", &manifests, &installed)?;
    if stamp.is_fresh() {
        return Ok(());
    }
    // The build needs the development dependencies, whatever NODE_ENV says.
    let command = repository.npm("", &["ci", "--include=dev", "--no-audit", "--no-fund"])?;
    steps.run("npm ci", command)?;
    stamp.store()
}

fn wasm_target(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let output =
        output(Command::new("rustc").args(["--print", "sysroot"])).context("`rustc --print sysroot` failed")?;
    let sysroot = PathBuf::from(String::from_utf8(output.stdout)?.trim_end());
    if sysroot.join("lib/rustlib").join(WASM_TARGET).is_dir() {
        return Ok(());
    }
    rustup(repository, steps, &["target", "add", WASM_TARGET])
}

fn component(repository: &Repository, steps: &mut Steps, name: &str, subcommand: &str) -> Result<()> {
    // rustup leaves a proxy on PATH for a component that is not installed, so the component has to be run to find out.
    if apt::succeeds(Path::new("cargo"), &[subcommand, "--version"]) {
        return Ok(());
    }
    rustup(repository, steps, &["component", "add", name])
}

fn rustup(repository: &Repository, steps: &mut Steps, arguments: &[&str]) -> Result<()> {
    let line = format!("rustup {}", arguments.join(" "));
    if which::which("rustup").is_err() {
        bail!("rustup is missing (https://rustup.rs); it is needed for: {line}");
    }
    let mut command = repository.command("rustup");
    command.args(arguments);
    steps.run(&line, command)
}

fn check_node() -> Result<()> {
    let text = match output(Command::new("node").arg("--version")) {
        Some(output) => String::from_utf8(output.stdout)?,
        None => bail!("Node is missing; install Node {OLDEST_NODE} or newer, with npm"),
    };
    let major = text.trim().trim_start_matches('v').split('.').next();
    match major.and_then(|major| major.parse::<u32>().ok()) {
        Some(major) if major >= OLDEST_NODE => Ok(()),
        _ => bail!("Node {} is too old; install Node {OLDEST_NODE} or newer", text.trim()),
    }
}

/// Checks that there is a C compiler, because the example apps compile SQLite from C source.
fn check_c_compiler(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let found = || env::var_os("CC").is_some() || which::which("cc").is_ok();
    if cfg!(windows) || found() {
        return Ok(());
    }
    apt::install(repository, steps, "a C compiler is", &["gcc", "libc6-dev"])
}

pub(crate) fn output(command: &mut Command) -> Option<Output> {
    command.output().ok().filter(|output| output.status.success())
}

/// The version of a package in a `Cargo.lock`.
fn locked_version(lock: &str, package: &str) -> Result<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name).skip(1);
    let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
    version
        .and_then(|version| version.strip_suffix('"'))
        .map(str::to_owned)
        .with_context(|| format!("Cargo.lock does not name a version of {package}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "[[package]]\nname = \"wasm-bindgen-macro\"\nversion = \"9.9.9\"\n\n\
        [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\nsource = \"registry\"\n";

    #[test]
    fn the_locked_version_is_that_of_the_whole_name() {
        assert_eq!(locked_version(LOCK, "wasm-bindgen").unwrap(), "0.2.130");
    }

    #[test]
    fn a_package_that_is_not_locked_is_an_error() {
        assert!(locked_version(LOCK, "wasm").is_err());
    }
}
