//! The npm package as a tarball, and tests of that tarball in apps of every bundler and framework.

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
/// The programs that drive WebKit without a display, and the Debian packages that contain them.
const WEBKIT: [(&str, &[&str]); 2] = [("WebKitWebDriver", &["webkit2gtk-driver"]), ("xvfb-run", &["xvfb", "xauth"])];

/// Proxies, and those of their libraries that a minimal system lacks.
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

/// Builds and packs the package, and with `check` tests the tarball in every app.
pub(crate) fn run(repository: &Repository, steps: &mut Steps, check: bool, only: &[String]) -> Result<()> {
    let build_tools = tools::for_building(repository, steps)?;
    build::package(repository, steps, &build_tools)?;
    if !check {
        let folder = repository.target("packaging");
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let mut pack = repository.npm("npm", &["pack", "--pack-destination"])?;
        let status = pack.arg(&folder).status().context("starting npm")?;
        ensure!(status.success(), "`npm pack` failed");
        println!("in {}", folder.display());
        return Ok(());
    }
    let test_tools = tools::for_testing(repository, steps)?;
    build::servers(repository, steps, &["hub"])?;
    let nginx = Nchan::find_or_unpack(repository, steps)?.nginx;
    let proxies = debian::unpack(repository, steps, "proxies", &PROXIES)?;
    webkit(repository, steps)?;
    let mut all = command(repository, &test_tools.browsers, &["test", "--"])?;
    // The table of results is what the command is run for, so it is not captured in a log.
    let status =
        all.args(only).env("NGINX_BIN", nginx).env("TIDINGS_PROXIES_DIR", proxies).status().context("starting npm")?;
    ensure!(status.success(), "the package failed in at least one app ({status}); see the table above");
    Ok(())
}

/// The tests that take seconds, on a package and a hub that are already built.
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
