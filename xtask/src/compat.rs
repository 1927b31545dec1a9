//! The crates as others build them: with the lowest versions that they allow, with the oldest supported Rust, for other
//! systems, and as docs.rs shows them.
//!
//! Each check runs in a workspace that contains only copies of the published crates. Dev-dependencies, which only this
//! repository needs, would raise versions, and the lockfile would choose versions that others do not get.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools::WASM_TARGET;

/// The published crates, in the order in which they are published.
pub(crate) const CRATES: [&str; 5] = ["protocol", "server", "engines/postgres", "engines/redis", "client-wasm"];
/// The crates whose lowest versions are checked together.
const LOWEST: [&str; 3] = ["protocol", "server", "client-wasm"];
/// The crates whose lowest versions are checked one by one, each in a workspace of its own. This is because their drivers
/// need newer versions of dependencies that `tidings` shares, and cargo chooses the lowest versions for a whole workspace.
const ENGINES: [&str; 2] = ["engines/postgres", "engines/redis"];
/// All features meant for users.
const FEATURES: &str = "tidings/conformance,tidings/forward,tidings/http-peers,tidings/jwt,tidings/sqlite,tidings/typescript,tidings-protocol/serde";
/// The features of `tidings` that are meant for users. Each of them compiles by itself.
const EACH: [&str; 7] = ["conformance", "forward", "http-peers", "jwt", "mailboxes", "sqlite", "typescript"];
/// What selects the client as front ends in Rust build it.
const WASM: [&str; 6] = ["-p", "tidings-client", "--features", "tidings-client/typed", "--target", WASM_TARGET];
/// The targets for which servers and native clients must compile.
const TARGETS: [&str; 6] = [
    "x86_64-pc-windows-msvc",
    "x86_64-pc-windows-gnu",
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
    "x86_64-unknown-linux-musl",
    "aarch64-unknown-linux-gnu",
];

pub(crate) fn run(repository: &Repository, steps: &mut Steps) -> Result<()> {
    lowest(repository, steps)?;
    features(repository, steps)?;
    oldest_rust(repository, steps)?;
    targets(repository, steps)?;
    docs(repository, steps)?;
    steps.summary();
    Ok(())
}

fn lowest(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let folder = copy(repository, "compat/crates", &LOWEST)?;
    steps.run("lowest versions: choose", lowest_versions(repository, &folder))?;
    steps.run("lowest versions: check", check(repository, &folder, &[], &[]))?;
    steps.run("lowest versions: check for Wasm", cargo(repository, &folder, &[&["check"], &WASM[..]].concat()))?;
    for engine in ENGINES {
        let name = engine.replace("engines/", "tidings-");
        let folder = copy(repository, &format!("compat/{name}"), &[engine])?;
        // `tidings` itself stays in the workspace above: the lowest versions are those of a workspace's members.
        point_to(&folder, Path::new("../crates"))?;
        steps.run(&format!("lowest versions of {name}: choose"), lowest_versions(repository, &folder))?;
        steps.run(&format!("lowest versions of {name}: check"), cargo(repository, &folder, &["check"]))?;
    }
    Ok(())
}

/// Uses an unstable option on the stable cargo, which saves installing nightly.
fn lowest_versions(repository: &Repository, folder: &Path) -> Command {
    bootstrapped(&mut cargo(repository, folder, &["update", "-Z", "direct-minimal-versions"]))
}

/// Replaces the paths of this repository's crates in a copied workspace, so that they lead to another folder.
fn point_to(folder: &Path, crates: &Path) -> Result<()> {
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)?;
    let text = text.replace("{ path = \"", &format!("{{ path = \"{}/", crates.display()));
    Ok(fs::write(&manifest, text)?)
}

fn oldest_rust(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let folder = copy(repository, "compat/crates", &CRATES)?;
    let rust = oldest(&folder)?;
    let mut install = repository.command("rustup");
    install.args(["toolchain", "install", &rust, "--profile", "minimal"]);
    steps.run(&format!("Rust {rust}: install"), install)?;
    let mut target = repository.command("rustup");
    target.args(["target", "add", "--toolchain", &rust, WASM_TARGET]);
    steps.run(&format!("Rust {rust}: install for Wasm"), target)?;
    // The resolver chooses versions that the workspace's `rust-version` can compile.
    steps.run(&format!("Rust {rust}: choose versions"), cargo(repository, &folder, &["update"]))?;
    steps.run(
        &format!("Rust {rust}: check"),
        check(repository, &folder, &[&format!("+{rust}")], &["-p", "tidings-postgres", "-p", "tidings-redis"]),
    )?;
    let toolchain = format!("+{rust}");
    let wasm = [&[&*toolchain, "check"], &WASM[..]].concat();
    steps.run(&format!("Rust {rust}: check for Wasm"), cargo(repository, &folder, &wasm))
}

/// Checks each feature by itself. This is because a crate that forgets a feature of a dependency compiles as long as another crate
/// in the build asks for it.
fn features(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let check = |arguments: &[&str]| {
        let mut check = repository.cargo(&["check", "--locked", "--lib"]);
        check
            .args(arguments)
            .env("RUSTFLAGS", "-D warnings")
            .env("CARGO_TARGET_DIR", repository.target("compat/target"));
        check
    };
    steps.run("no feature", check(&["-p", "tidings"]))?;
    for feature in EACH {
        steps.run(&format!("feature {feature} alone"), check(&["-p", "tidings", "--features", feature]))?;
    }
    steps.run("tidings-protocol without features", check(&["-p", "tidings-protocol", "--no-default-features"]))
}

fn targets(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let mut install = repository.command("rustup");
    install.args(["target", "add"]).args(TARGETS);
    steps.run("targets: install", install)?;
    let compiler = willing_compiler(repository)?;
    for target in TARGETS {
        let mut check = repository.cargo(&[
            "check",
            "--locked",
            "-p",
            "tidings",
            "-p",
            "tidings-client",
            "-p",
            "tidings-postgres",
            "-p",
            "tidings-redis",
            "--features",
            FEATURES,
        ]);
        check.args(["--lib", "--target", target]);
        // Only our Rust code is checked. The C code of SQLite and ring would need a compiler for each system; this
        // stand-in accepts everything.
        let name = target.replace('-', "_");
        for tool in ["CC", "CXX", "AR"] {
            check.env(format!("{tool}_{name}"), &compiler);
        }
        steps.run(&format!("check for {target}"), check)?;
    }
    Ok(())
}

/// Builds a stand-in that accepts all arguments of a C compiler or archiver, and creates an empty file where a Windows
/// library is expected.
fn willing_compiler(repository: &Repository) -> Result<PathBuf> {
    let script = "#!/bin/sh\nfor argument; do\n  case $argument in [-/][oO][uU][tT]:*) : > \"${argument#?????}\" ;; esac\ndone\n";
    let file = repository.target("compat/cc");
    fs::create_dir_all(repository.target("compat"))?;
    fs::write(&file, script)?;
    let made = repository.command("chmod").arg("+x").arg(&file).status().context("starting chmod")?;
    ensure!(made.success(), "{} cannot be made a program", file.display());
    Ok(file)
}

/// Builds the documentation as docs.rs does: on nightly, with the labels of features.
fn docs(repository: &Repository, steps: &mut Steps) -> Result<()> {
    let mut doc = |name: &str, arguments: &[&str]| {
        let mut doc = repository.cargo(&["doc", "--no-deps"]);
        doc.args(arguments).env("RUSTDOCFLAGS", "--cfg docsrs -D warnings");
        doc.env("CARGO_TARGET_DIR", repository.target("compat/docs"));
        steps.run(name, bootstrapped(&mut doc))
    };
    let servers = ["-p", "tidings", "-p", "tidings-protocol", "-p", "tidings-postgres", "-p", "tidings-redis"];
    doc("docs as on docs.rs", &[&servers[..], &["--features", FEATURES]].concat())?;
    doc("docs as on docs.rs, for Wasm", &["-p", "tidings-client", "--all-features", "--target", WASM_TARGET])
}

fn bootstrapped(command: &mut Command) -> Command {
    command.env("RUSTC_BOOTSTRAP", "1");
    std::mem::replace(command, Command::new(""))
}

fn cargo(repository: &Repository, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = repository.cargo(arguments);
    command.current_dir(folder).env("CARGO_TARGET_DIR", repository.target("compat/target"));
    command
}

fn check(repository: &Repository, folder: &Path, toolchain: &[&str], more: &[&str]) -> Command {
    let arguments =
        ["check", "-p", "tidings", "-p", "tidings-protocol", "-p", "tidings-client", "--features", FEATURES];
    cargo(repository, folder, &[toolchain, &arguments, more].concat())
}

/// The `rust-version` of the workspace.
fn oldest(folder: &Path) -> Result<String> {
    let text = fs::read_to_string(folder.join("Cargo.toml"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("rust-version = \"")).context("no rust-version")?;
    Ok(line.split('"').next().unwrap_or_default().to_owned())
}

/// Copies published crates into a workspace of their own, without a lockfile.
fn copy(repository: &Repository, folder: &str, crates: &[&str]) -> Result<PathBuf> {
    let folder = repository.target(folder);
    let _ = fs::remove_dir_all(&folder);
    let files =
        repository.command("git").args(["ls-files", "-z", "--"]).args(crates).output().context("starting git")?;
    ensure!(files.status.success(), "git could not list the files; run this in a git checkout");
    let files = String::from_utf8(files.stdout)?;
    let is_published = |file: &&str| {
        let within = crates.iter().find_map(|name| file.strip_prefix(name)?.strip_prefix('/')).unwrap_or(file);
        !["examples/", "tests/", "benches/"].iter().any(|folder| within.starts_with(folder))
    };
    for file in files.split('\0').filter(|file| !file.is_empty()).filter(is_published) {
        let to = folder.join(file);
        fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        fs::copy(repository.path(file), &to).with_context(|| format!("copying {file}"))?;
    }
    for name in crates {
        let manifest = folder.join(name).join("Cargo.toml");
        let text = fs::read_to_string(&manifest)?;
        fs::write(&manifest, without(&text, &["dev-dependencies]", "[[example]]", "[[bench]]", "[[test]]"]))?;
    }
    let root = fs::read_to_string(repository.path("Cargo.toml"))?;
    let members: Vec<_> = crates.iter().map(|name| format!("{name:?}")).collect();
    let is_members = |line: &str| line.starts_with("members = [");
    let line =
        |line: &str| if is_members(line) { format!("members = [{}]", members.join(", ")) } else { line.to_owned() };
    ensure!(root.lines().any(|line| is_members(line) && line.ends_with(']')), "`members` is one line of Cargo.toml");
    fs::write(folder.join("Cargo.toml"), root.lines().map(line).collect::<Vec<_>>().join("\n"))?;
    Ok(folder)
}

/// A manifest without the sections whose headers end with one of these.
fn without(manifest: &str, heads: &[&str]) -> String {
    let mut skips = false;
    let mut kept = String::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            skips = heads.iter().any(|head| line.ends_with(head));
        }
        if !skips {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_left_out_to_their_end() {
        let text = "[package]\nname = \"a\"\n[dev-dependencies]\nb = \"1\"\n[target.x.dev-dependencies]\nc = \"1\"\n[[test]]\nname = \"t\"\n[lints]\nworkspace = true\n";
        let kept = without(text, &["dev-dependencies]", "[[test]]"]);
        assert_eq!(kept, "[package]\nname = \"a\"\n[lints]\nworkspace = true\n");
    }
}
