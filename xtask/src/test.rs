//! All checks and tests, cheapest first; the first failure ends it.

use anyhow::Result;

use crate::build;
use crate::chaos;
use crate::house::House;
use crate::package;
use crate::sim;
use crate::steps::{self, Steps};
use crate::tools::{self, BuildTools, TestTools, WASM_TARGET};

const DENY_WARNINGS: [&str; 3] = ["--", "-D", "warnings"];

pub(crate) fn run(house: &House, steps: &mut Steps) -> Result<()> {
    let result = all(house, steps);
    steps.summary();
    if result.is_ok() {
        println!("\nall tests passed in {}", steps::clock(steps.elapsed()));
    }
    result
}

fn all(house: &House, steps: &mut Steps) -> Result<()> {
    let build_tools = tools::for_building(house, steps)?;
    let test_tools = tools::for_testing(house, steps)?;
    rust(house, steps)?;
    wasm_in_browsers(house, steps, &build_tools, &test_tools)?;
    build::web(house, steps, &build_tools)?;
    packages(house, steps)?;
    build::servers(house, steps, &["timers", "hub"])?;
    steps.run("packaging, the fast part", package::fast(house, &test_tools.browsers)?)?;
    end_to_end(house, steps, &test_tools)?;
    sim::build(house, steps)?;
    // Fresh seeds say more, and `cargo xtask sim` draws them. Here they would let a change wait for a fault that is not its own, until
    // a million of them in a row have passed.
    let mut sim = sim::command(house, sim::SEEDS);
    sim.args(["--from", "0"]);
    steps.run(&format!("sim, {} seeds", sim::SEEDS), sim)?;
    chaos::build(house, steps)?;
    let name = format!("chaos, {} minutes", chaos::MINUTES);
    steps.run(&name, chaos::command(house, &test_tools.browsers, chaos::MINUTES))
}

fn rust(house: &House, steps: &mut Steps) -> Result<()> {
    let mut cargo = |arguments: &[&str], more: &[&str]| {
        let name = format!("cargo {}", arguments.join(" "));
        steps.run(&name, house.cargo(&[arguments, more].concat()))
    };
    cargo(&["fmt", "--all", "--check"], &[])?;
    cargo(&["clippy", "--workspace", "--all-targets"], &DENY_WARNINGS)?;

    let clippy = ["clippy", "--package", "tidings-client", "--all-targets", "--target", WASM_TARGET];
    steps.run("cargo clippy for Wasm", house.cargo(&[&clippy[..], &DENY_WARNINGS].concat()))?;
    let typed = [&clippy[..], &["--features", "typed"], &DENY_WARNINGS].concat();
    steps.run("cargo clippy for Wasm, feature typed", house.cargo(&typed))?;

    steps.run("cargo test --workspace", house.cargo(&["test", "--workspace"]))?;
    let mut doc = house.cargo(&["doc", "--workspace", "--no-deps"]);
    doc.env("RUSTDOCFLAGS", "-Dwarnings");
    steps.run("cargo doc", doc)
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
        steps.run(&format!("wasm-pack test {browser}"), command)?;
    }
    Ok(())
}

fn packages(house: &House, steps: &mut Steps) -> Result<()> {
    let check = ["run", "check", "--workspaces", "--if-present"];
    steps.run("npm run check", house.npm("", &check)?)?;
    steps.run("npm test", house.npm("npm", &["test"])?)
}

fn end_to_end(house: &House, steps: &mut Steps, tools: &TestTools) -> Result<()> {
    let mut command = house.npm("tests/e2e", &["test"])?;
    command
        .env("CI", "true")
        .env("TIDINGS_TIMERS_BIN", house.program("timers"))
        .env("TIDINGS_HUB_BIN", house.program("hub"))
        .env("TIDINGS_TIMERS_WEB", house.path(build::TIMERS_WEB))
        .env("CHROME_BIN", &tools.browsers.chrome)
        .env("CHROMEDRIVER", &tools.browsers.chromedriver)
        .env("FIREFOX_BIN", &tools.browsers.firefox)
        .env("GECKODRIVER", &tools.geckodriver);
    steps.run("end-to-end tests", command)
}
