//! All checks and tests, cheapest first; the first failure ends it.
//!
//! A check whose inputs are those of its last success is not run again, unless `CI` is set: on a second run with nothing changed,
//! only the stamps are compared.

use std::env;
use std::process::Command;

use anyhow::{Result, bail};

use crate::build;
use crate::chaos;
use crate::house::House;
use crate::package;
use crate::sim;
use crate::stamp::Stamp;
use crate::steps::{self, Steps};
use crate::tools::{self, BuildTools, TestTools, WASM_TARGET};

const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

/// What decides the outcome of a check of Rust code.
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
/// And of one that a browser or Node takes part in.
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
    /// The crates but the client's.
    Server,
    /// The Wasm client, in browsers too.
    Client,
    /// The npm package.
    Npm,
    /// Everything together: end-to-end tests, packaging, the simulation, chaos.
    EndToEnd,
}

impl Part {
    pub(crate) fn parse(name: &str) -> Result<Self> {
        Ok(match name {
            "server" => Self::Server,
            "client" => Self::Client,
            "npm" => Self::Npm,
            "e2e" => Self::EndToEnd,
            other => bail!("there is no part {other:?} of the tests; there are server, client, npm and e2e"),
        })
    }
}

/// Runs all parts, or only some.
pub(crate) fn run(house: &House, steps: &mut Steps, only: &[Part]) -> Result<()> {
    let parts = if only.is_empty() { &[Part::Server, Part::Client, Part::Npm, Part::EndToEnd] } else { only };
    let result = all(house, steps, parts);
    steps.summary();
    if result.is_ok() {
        let which = if only.is_empty() { "all tests" } else { "these tests" };
        println!("\n{which} passed in {}", steps::clock(steps.elapsed()));
    }
    result
}

fn all(house: &House, steps: &mut Steps, parts: &[Part]) -> Result<()> {
    let is_asked = |part: Part| parts.contains(&part);
    let build_tools = tools::for_building(house, steps)?;
    let test_tools = tools::for_testing(house, steps)?;
    match (is_asked(Part::Server), is_asked(Part::Client)) {
        (true, true) => rust(house, steps, &["--workspace"])?,
        (true, false) => rust(house, steps, &["--workspace", "--exclude", "tidings-client"])?,
        (false, true) => rust(house, steps, &["--package", "tidings-client"])?,
        (false, false) => {}
    }
    if is_asked(Part::Client) {
        wasm_in_browsers(house, steps, &build_tools, &test_tools)?;
    }
    if is_asked(Part::Npm) || is_asked(Part::EndToEnd) {
        build::web(house, steps, &build_tools)?;
    }
    if is_asked(Part::Npm) {
        packages(house, steps)?;
    }
    if !is_asked(Part::EndToEnd) {
        return Ok(());
    }
    build::servers(house, steps, &["apps", "hub"])?;
    check(house, steps, "packaging, the fast part", ALL, package::fast(house, &test_tools.browsers)?)?;
    end_to_end(house, steps, &test_tools)?;
    sim::build(house, steps)?;
    // Fresh seeds say more, and `cargo xtask sim` draws them. Here they would let a change wait for a fault that is not its own, until
    // a million of them in a row have passed.
    let mut sim = sim::command(house, sim::SEEDS);
    sim.args(["--from", "0"]);
    check(house, steps, &format!("sim, {} seeds", sim::SEEDS), RUST, sim)?;
    let mut shell = sim::shell_command(house, sim::SHELL_SEEDS);
    shell.args(["--from", "0"]);
    check(house, steps, &format!("sim --shell, {} seeds", sim::SHELL_SEEDS), ALL, shell)?;
    chaos::build(house, steps)?;
    let name = format!("chaos, {} minutes", chaos::MINUTES);
    check(house, steps, &name, ALL, chaos::command(house, &test_tools.browsers, chaos::MINUTES, "sqlite"))?;
    for engine in chaos::SERVERS {
        let minutes = chaos::CLUSTER_MINUTES;
        let name = format!("chaos, three hubs on {engine}, {minutes} minute");
        check(house, steps, &name, ALL, chaos::command(house, &test_tools.browsers, minutes, engine))?;
    }
    Ok(())
}

/// Runs a check, unless it has passed with these inputs before.
fn check(house: &House, steps: &mut Steps, name: &str, inputs: &[&str], command: Command) -> Result<()> {
    let stamp = Stamp::of(house, &format!("test-{}", steps::slug(name)), inputs, &[])?;
    if stamp.is_fresh() && env::var_os("CI").is_none() {
        steps.unchanged(name);
        return Ok(());
    }
    steps.run(name, command)?;
    stamp.store()
}

fn rust(house: &House, steps: &mut Steps, packages: &[&str]) -> Result<()> {
    let which = packages.join(" ");
    check(house, steps, "cargo fmt --all --check", RUST, house.cargo(&["fmt", "--all", "--check"]))?;
    let mut cargo =
        |name: &str, arguments: &[&[&str]]| check(house, steps, name, RUST, house.cargo(&arguments.concat()));
    cargo(&format!("cargo clippy {which}"), &[&["clippy"], packages, &["--all-targets"], &DENY_WARNINGS])?;
    if !packages.contains(&"--exclude") {
        let clippy = ["clippy", "--package", "tidings-client", "--all-targets", "--target", WASM_TARGET];
        cargo("cargo clippy for Wasm", &[&clippy, &DENY_WARNINGS])?;
        cargo("cargo clippy for Wasm, feature typed", &[&clippy, &["--features", "typed"], &DENY_WARNINGS])?;
    }
    cargo(&format!("cargo test {which}"), &[&["test"], packages])?;
    let mut doc = house.cargo(&[&["doc"], packages, &["--no-deps"]].concat());
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    check(house, steps, &format!("cargo doc {which}"), RUST, doc)
}

fn wasm_in_browsers(house: &House, steps: &mut Steps, build_tools: &BuildTools, test_tools: &TestTools) -> Result<()> {
    let capabilities = test_tools.browsers.write_capabilities(house)?;
    let browsers = [
        ("--chrome", "--chromedriver", &test_tools.browsers.chromedriver),
        ("--firefox", "--geckodriver", &test_tools.geckodriver),
    ];
    for (browser, option, driver) in browsers {
        let arguments = ["test", "--mode", "no-install", "--headless", browser, option];
        let mut command = build_tools.wasm_pack(house, &arguments)?;
        command
            .arg(driver)
            .args(["client-wasm", "--features", "typed"])
            .env("WASM_BINDGEN_TEST_WEBDRIVER_JSON", &capabilities)
            // For all tests of a file together; the default of 20 s is short for a busy machine.
            .env("WASM_BINDGEN_TEST_TIMEOUT", "180");
        check(house, steps, &format!("wasm-pack test {browser}"), RUST, command)?;
    }
    Ok(())
}

fn packages(house: &House, steps: &mut Steps) -> Result<()> {
    let types = ["run", "check", "--workspaces", "--if-present"];
    check(house, steps, "npm run check", ALL, house.npm("", &types)?)?;
    check(house, steps, "npm test", ALL, house.npm("npm", &["test"])?)
}

fn end_to_end(house: &House, steps: &mut Steps, tools: &TestTools) -> Result<()> {
    let mut command = house.npm("tests/e2e", &["test"])?;
    command
        .env("CI", "true")
        .env("TIDINGS_APPS_BIN", house.program("apps"))
        .env("TIDINGS_HUB_BIN", house.program("hub"))
        .env("TIDINGS_EXAMPLES", house.path("examples"))
        .env("CHROME_BIN", &tools.browsers.chrome)
        .env("CHROMEDRIVER", &tools.browsers.chromedriver)
        .env("FIREFOX_BIN", &tools.browsers.firefox)
        .env("GECKODRIVER", &tools.geckodriver);
    check(house, steps, "end-to-end tests", ALL, command)
}
