//! All checks and tests, cheapest first. The first failure ends the run.
//!
//! A check whose inputs are those of its last success is not run again, unless `CI` is set: on a second run with
//! nothing changed, only the stamps are compared.

use std::env;
use std::process::Command;

use anyhow::{Result, bail};

use crate::build;
use crate::chaos;
use crate::package;
use crate::repository::Repository;
use crate::sim;
use crate::stamp::Stamp;
use crate::steps::{self, Steps};
use crate::tools::{self, BuildTools, TestTools, WASM_TARGET};

const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// The inputs of a check of Rust code.
const RUST: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "rustfmt.toml",
    "protocol",
    "server",
    "engines",
    "client-wasm",
    "examples",
    "tests",
    "xtask",
];
/// The inputs of a check that also involves a browser or Node.
const ALL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "package-lock.json",
    "protocol",
    "server",
    "engines",
    "client-wasm",
    "npm",
    "examples",
    "tests",
    "xtask",
];

/// A part of the checks, which can be run by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All crates but the client's.
    Server,
    /// The Wasm client, natively and in browsers.
    Client,
    /// The npm package.
    Npm,
    /// The whole system: end-to-end tests, packaging, the simulation, chaos.
    EndToEnd,
}

impl Part {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "server" => Self::Server,
            "client" => Self::Client,
            "npm" => Self::Npm,
            "e2e" => Self::EndToEnd,
            other => bail!("there is no part {other:?} of the tests; choose server, client, npm or e2e"),
        })
    }
}

/// Runs all parts, or only some.
pub(crate) fn run(repository: &Repository, steps: &mut Steps, only: &[Part]) -> Result<()> {
    let parts = if only.is_empty() { &[Part::Server, Part::Client, Part::Npm, Part::EndToEnd] } else { only };
    let result = all(repository, steps, parts);
    steps.summary();
    if result.is_ok() {
        let which = if only.is_empty() { "all tests" } else { "these tests" };
        println!("\n{which} passed in {}", steps::clock(steps.elapsed()));
    }
    result
}

fn all(repository: &Repository, steps: &mut Steps, parts: &[Part]) -> Result<()> {
    let is_asked = |part: Part| parts.contains(&part);
    let build_tools = tools::for_building(repository, steps)?;
    let test_tools = tools::for_testing(repository, steps)?;
    match (is_asked(Part::Server), is_asked(Part::Client)) {
        (true, true) => rust(repository, steps, &["--workspace"])?,
        (true, false) => rust(repository, steps, &["--workspace", "--exclude", "tidings-client"])?,
        (false, true) => rust(repository, steps, &["--package", "tidings-client"])?,
        (false, false) => {}
    }
    if is_asked(Part::Client) {
        wasm_in_browsers(repository, steps, &build_tools, &test_tools)?;
    }
    if is_asked(Part::Npm) || is_asked(Part::EndToEnd) {
        build::web(repository, steps, &build_tools)?;
    }
    if is_asked(Part::Npm) {
        packages(repository, steps)?;
    }
    if !is_asked(Part::EndToEnd) {
        return Ok(());
    }
    build::servers(repository, steps, &["apps", "cluster", "hub"])?;
    check(repository, steps, "packaging, the fast part", ALL, package::fast(repository, &test_tools.browsers)?)?;
    end_to_end(repository, steps, &test_tools)?;
    sim::build(repository, steps)?;
    // The seeds are fixed here; `cargo xtask sim` draws fresh ones, which find more. With fresh seeds a change could
    // fail because of an older fault, until a million of them in a row have passed.
    let mut sim = sim::command(repository, sim::SEEDS);
    sim.args(["--from", "0"]);
    check(repository, steps, &format!("sim, {} seeds", sim::SEEDS), RUST, sim)?;
    // The run before has tried the sabotages of presence as well.
    let mut presence = sim::command(repository, sim::PRESENCE_SEEDS);
    presence.args(["--presence", "--from", "0", "--budget", "0"]);
    check(repository, steps, &format!("sim --presence, {} seeds", sim::PRESENCE_SEEDS), RUST, presence)?;
    let mut shell = sim::shell_command(repository, sim::SHELL_SEEDS);
    shell.args(["--from", "0"]);
    check(repository, steps, &format!("sim --shell, {} seeds", sim::SHELL_SEEDS), ALL, shell)?;
    chaos::build(repository, steps)?;
    let name = format!("chaos, {} minutes", chaos::MINUTES);
    check(repository, steps, &name, ALL, chaos::command(repository, &test_tools.browsers, chaos::MINUTES, "sqlite"))?;
    for engine in chaos::SERVERS {
        let minutes = chaos::CLUSTER_MINUTES;
        let name = format!("chaos, three hubs on {engine}, {minutes} minute");
        check(repository, steps, &name, ALL, chaos::command(repository, &test_tools.browsers, minutes, engine))?;
    }
    Ok(())
}

/// Runs a check, unless it has already passed with the same inputs.
fn check(repository: &Repository, steps: &mut Steps, name: &str, inputs: &[&str], command: Command) -> Result<()> {
    check_again_if(repository, steps, name, inputs, command, 1, |_| false)
}

fn check_again_if(
    repository: &Repository,
    steps: &mut Steps,
    name: &str,
    inputs: &[&str],
    command: Command,
    attempts: usize,
    is_stuck: impl Fn(&str) -> bool,
) -> Result<()> {
    let stamp = Stamp::of(repository, &format!("test-{}", steps::slug(name)), inputs, &[])?;
    if stamp.is_fresh() && env::var_os("CI").is_none() {
        steps.unchanged(name);
        return Ok(());
    }
    steps.run_again_if(name, command, attempts, is_stuck)?;
    stamp.store()
}

fn rust(repository: &Repository, steps: &mut Steps, packages: &[&str]) -> Result<()> {
    let which = packages.join(" ");
    check(repository, steps, "cargo fmt --all --check", RUST, repository.cargo(&["fmt", "--all", "--check"]))?;
    let mut cargo =
        |name: &str, arguments: &[&[&str]]| check(repository, steps, name, RUST, repository.cargo(&arguments.concat()));
    cargo(&format!("cargo clippy {which}"), &[&["clippy"], packages, &["--all-targets"], &DENY_WARNINGS])?;
    if !packages.contains(&"--exclude") {
        let clippy = ["clippy", "--package", "tidings-client", "--all-targets", "--target", WASM_TARGET];
        cargo("cargo clippy for Wasm", &[&clippy, &DENY_WARNINGS])?;
        cargo("cargo clippy for Wasm, feature typed", &[&clippy, &["--features", "typed"], &DENY_WARNINGS])?;
    }
    cargo(&format!("cargo test {which}"), &[&["test"], packages])?;
    let mut doc = repository.cargo(&[&["doc"], packages, &["--no-deps"]].concat());
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    check(repository, steps, &format!("cargo doc {which}"), RUST, doc)
}

/// How often a browser's tests are begun, if the page does not load.
const ATTEMPTS: usize = 12;

fn wasm_in_browsers(
    repository: &Repository,
    steps: &mut Steps,
    build_tools: &BuildTools,
    test_tools: &TestTools,
) -> Result<()> {
    let capabilities = test_tools.browsers.write_capabilities(repository)?;
    let browsers = [
        ("--chrome", "--chromedriver", &test_tools.browsers.chromedriver),
        ("--firefox", "--geckodriver", &test_tools.geckodriver),
    ];
    for (browser, option, driver) in browsers {
        let arguments = ["test", "--mode", "no-install", "--headless", browser, option];
        let mut command = build_tools.wasm_pack(repository, &arguments)?;
        command
            .arg(driver)
            .args(["client-wasm", "--features", "typed"])
            .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &capabilities)
            // The timeout covers all tests of a file, which take 5 s, and a page that does not load.
            .env("WASM_BINDGEN_TEST_TIMEOUT", "20");
        // The server of wasm-bindgen's test runner sometimes leaves one of a browser's parallel connections waiting for
        // ever, so that the page does not load and no test begins.
        let is_stuck = |log: &str| {
            let page_is_missing =
                log.contains("Failed to detect test as having been run") || log.contains("/url request failed");
            page_is_missing && !log.contains("test result:")
        };
        check_again_if(repository, steps, &format!("wasm-pack test {browser}"), RUST, command, ATTEMPTS, is_stuck)?;
    }
    Ok(())
}

fn packages(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let types = ["run", "check", "--workspaces", "--if-present"];
    check(repository, steps, "npm run check", ALL, repository.npm("", &types)?)?;
    check(repository, steps, "npm test", ALL, repository.npm("npm", &["test"])?)
}

fn end_to_end(repository: &Repository, steps: &mut Steps, tools: &TestTools) -> Result<()> {
    let mut command = repository.npm("tests/e2e", &["test"])?;
    command
        .env("CI", "true")
        .env("TIDINGS_APPS_BIN", repository.program("apps"))
        .env("TIDINGS_CLUSTER_BIN", repository.program("cluster"))
        .env("TIDINGS_HUB_BIN", repository.program("hub"))
        .env("TIDINGS_EXAMPLES", repository.path("examples"))
        .env("CHROME_BIN", &tools.browsers.chrome)
        .env("CHROMEDRIVER", &tools.browsers.chromedriver)
        .env("FIREFOX_BIN", &tools.browsers.firefox)
        .env("GECKODRIVER", &tools.geckodriver);
    check(repository, steps, "end-to-end tests", ALL, command)
}
