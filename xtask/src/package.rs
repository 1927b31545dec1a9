//! The npm package as a tarball, and that tarball in apps of every bundler and framework.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::apt;
use crate::browsers::Browsers;
use crate::build;
use crate::debian;
use crate::nchan::Nchan;
use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools;

const TESTS: &str = "tests/packaging";
/// What drives a WebKit, and shows it to nobody: programs, and Debian's packages of them.
const WEBKIT: [(&str, &[&str]); 2] = [("WebKitWebDriver", &["webkit2gtk-driver"]), ("xvfb-run", &["xvfb", "xauth"])];

/// Proxies, and those of their libraries that a small system lacks.
const PROXIES: [&str; 10] = [
    "apache2-bin",
    "caddy",
    "haproxy",
    "libapr1",
    "libaprutil1",
    "libjemalloc2",
    "liblua5.3-0",
    "libopentracing-c-wrapper0",
    "libopentracing1",
    "varnish",
];

/// Builds the package, and packs it, or with `check` tries it everywhere.
pub(crate) fn run(repository: &Repository, steps: &mut Steps, check: bool, only: &[String]) -> Result<()> {
    let build_tools = tools::for_building(repository, steps)?;
    build::package(repository, steps, &build_tools)?;
    if !check {
        let folder = repository.target("packaging");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut pack = repository.npm("npm", &["pack", "--pack-destination"])?;
        let status = pack.arg(&folder).status().context("starting npm")?;
        ensure!(status.success(), "npm could not pack the package");
        println!("in {}", folder.display());
        return Ok(());
    }
    let test_tools = tools::for_testing(repository, steps)?;
    build::servers(repository, steps, &["hub"])?;
    let nginx = Nchan::find_or_unpack(repository, steps)?.nginx;
    let proxies = debian::unpack(repository, steps, "proxies", &PROXIES)?;
    webkit(repository, steps)?;
    let mut all = command(repository, &test_tools.browsers, &["test", "--"])?;
    // The matrix is what one runs it for.
    let status =
        all.args(only).env("NGINX_BIN", nginx).env("TIDINGS_PROXIES_DIR", proxies).status().context("starting npm")?;
    ensure!(status.success(), "the package does not work everywhere ({status})");
    Ok(())
}

/// What takes seconds, on a package and a hub that are built.
pub(crate) fn fast(repository: &Repository, browsers: &Browsers) -> Result<Command> {
    command(repository, browsers, &["test", "--", "--grep", "@fast"])
}

fn command(repository: &Repository, browsers: &Browsers, arguments: &[&str]) -> Result<Command> {
    let mut command = repository.npm(TESTS, arguments)?;
    command
        .env("CI", "true")
        .env("TIDINGS_HUB_BIN", repository.program("hub"))
        .env("TIDINGS_PACKAGING_DIR", repository.target("packaging"))
        .env("CHROME_BIN", &browsers.chrome);
    Ok(command)
}

fn webkit(repository: &Repository, steps: &mut Steps) -> Result<()> {
    for (program, packages) in WEBKIT {
        if which::which(program).is_err() {
            apt::install(repository, steps, &format!("{program} is"), packages)?;
        }
    }
    Ok(())
}
