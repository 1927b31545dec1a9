//! Builds and checks everything that a release consists of: the crates' tarballs in the order in which they are
//! published, the npm tarball, the Wasm with its function names, notes from the changelog, checksums, and the tag.
//!
//! With `--dry-run` nothing leaves this machine and nothing is tagged, and the changelog may still list the version
//! under "Unreleased".

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use walkdir::WalkDir;

use crate::build;
use crate::compat::CRATES;
use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools;

/// The files that every crate's tarball and the npm package have at their root.
const LICENCES: [&str; 2] = ["LICENSE-APACHE", "LICENSE-MIT"];
/// The features with which the unit tests are compiled.
const FEATURES: &str =
    "tidings/conformance,tidings/forward,tidings/http-peers,tidings/jwt,tidings/sqlite,tidings/typescript";

pub(crate) fn run(repository: &Repository, steps: &mut Steps, dry: bool) -> Result<()> {
    let version = version(repository)?;
    let notes = notes(&fs::read_to_string(repository.path("CHANGELOG.md"))?, &version, dry)?;
    if !dry {
        let status = repository.command("git").args(["status", "--porcelain"]).output().context("starting git")?;
        ensure!(status.stdout.is_empty(), "there are uncommitted changes; commit them before a release");
    }
    let folder = repository.target(&format!("release-{version}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;

    let crates = crates(repository, steps, &folder)?;
    unit_tests(repository, steps, &folder, &crates)?;
    let package = package(repository, steps, &folder, &version)?;
    fs::write(folder.join("RELEASE-NOTES.md"), notes)?;
    checksums(repository, &folder)?;

    println!("\nin {}:", folder.display());
    let mut files: Vec<_> = fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files.iter().filter(|file| file.path().is_file()) {
        println!("  {:>9} bytes  {}", file.metadata()?.len(), file.file_name().to_string_lossy());
    }
    let tag = format!("v{version}");
    if dry {
        println!("\na release would run:");
        println!("  cargo publish --workspace    # {}", crates.join(", "));
        println!("  npm publish {}", package.display());
        println!("  git tag --annotate {tag}, and push it; attach the files above to it");
        steps.summary();
        return Ok(());
    }
    steps.run("cargo publish --workspace", repository.cargo(&["publish", "--workspace"]))?;
    let mut publish = repository.npm("npm", &["publish"])?;
    publish.arg(&package);
    steps.run("npm publish", publish)?;
    let mut tagging = repository.command("git");
    tagging.args(["tag", "--annotate", &tag, "--message", &format!("Tidings {version}")]);
    steps.run(&format!("git tag {tag}"), tagging)?;
    println!("push the tag {tag}, and attach the files above to it");
    Ok(())
}

/// The version, which crates and package share.
fn version(repository: &Repository) -> Result<String> {
    let root = fs::read_to_string(repository.path("Cargo.toml"))?;
    let version = quoted(&root, "version = \"").context("Cargo.toml has no version")?;
    let package = fs::read_to_string(repository.path("npm/package.json"))?;
    let other = quoted(&package, "\"version\": \"").context("npm/package.json has no version")?;
    ensure!(version == other, "Cargo.toml says {version}, npm/package.json says {other}");
    for line in root.lines().filter(|line| line.contains("path = \"") && line.contains("version = \"")) {
        ensure!(line.contains(&format!("version = \"{version}\"")), "not of version {version}: {line}");
    }
    Ok(version.to_owned())
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_start().strip_prefix(before))?.split('"').next()
}

/// The section of the changelog about a version. Before a release it is under "Unreleased".
fn notes(changelog: &str, version: &str, dry: bool) -> Result<String> {
    let of = |head: &str| {
        let (_, rest) = changelog.split_once(&format!("\n## [{head}]"))?;
        let rest = rest.split_once('\n')?.1;
        Some(rest.split("\n## [").next().unwrap_or_default().trim().to_owned())
    };
    match of(version).or_else(|| of("Unreleased").filter(|_| dry)) {
        Some(notes) if !notes.is_empty() => Ok(format!("# Tidings {version}\n\n{notes}\n")),
        _ => {
            bail!("CHANGELOG.md has no section for {version}; rename `[Unreleased]` to it, with the date")
        }
    }
}

/// Packs all crates, builds each from its tarball, and inspects the tarballs. Returns their names, in order.
fn crates(repository: &Repository, steps: &mut Steps, folder: &Path) -> Result<Vec<String>> {
    let target = repository.target("release-check");
    forget(&target)?;
    let mut publish = repository.cargo(&["publish", "--dry-run", "--workspace", "--allow-dirty"]);
    publish.env("CARGO_TARGET_DIR", &target);
    let name = "cargo publish --dry-run --workspace";
    steps.run(name, publish)?;
    let log = fs::read_to_string(steps.log(name))?;
    // cargo prints `Uploading` for each crate, in the order of publication.
    let uploaded = log.lines().filter_map(|line| line.trim_start().strip_prefix("Uploading "));
    let names: Vec<_> = uploaded.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    ensure!(names.len() == CRATES.len(), "cargo would publish {names:?}, which are not {CRATES:?}");
    let packed = find(&target.join("package"), ".crate");
    for name in &names {
        let is_meant = |path: &&PathBuf| crate_name(path).is_some_and(|found| found == name);
        let tarball = packed.iter().find(is_meant).with_context(|| format!("cargo left no tarball of {name}"))?;
        let file = tarball.file_name().context("a tarball has a name")?;
        fs::copy(tarball, folder.join(file))?;
        unpack(repository, steps, tarball, &folder.join("crates"))?;
    }
    for entry in fs::read_dir(folder.join("crates"))? {
        look_into(&entry?.path())?;
    }
    Ok(names)
}

/// Removes cargo's copies of tarballs with the same version, because cargo assumes that a published version never
/// changes.
fn forget(target: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(target.join("package"));
    let home = std::env::home_dir().context("no home folder")?;
    let home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let ours = |name: &str| name.trim_start_matches("lib").starts_with("tidings");
    for folder in [home.join("registry/src"), target.join("debug/.fingerprint"), target.join("debug/deps")] {
        let depth = if folder.ends_with("src") { 2 } else { 1 };
        for entry in WalkDir::new(&folder).min_depth(depth).max_depth(depth).into_iter().flatten() {
            // The name of a local registry's folder begins like this; downloads from elsewhere are kept.
            let is_local = depth == 1
                || entry
                    .path()
                    .parent()
                    .and_then(Path::file_name)
                    .is_some_and(|name| name.to_string_lossy().starts_with('-'));
            if !is_local || !ours(&entry.file_name().to_string_lossy()) {
                continue;
            }
            if entry.file_type().is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
        }
    }
    Ok(())
}

/// The name of a crate, from that of its tarball: `tidings-protocol-0.1.0.crate`.
fn crate_name(tarball: &Path) -> Option<&str> {
    tarball.file_stem()?.to_str()?.rsplit_once('-').map(|(name, _)| name)
}

fn unpack(repository: &Repository, steps: &mut Steps, tarball: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let mut tar = repository.command("tar");
    tar.arg("xzf").arg(tarball).arg("-C").arg(into);
    steps.run(&format!("unpack {}", tarball.file_name().unwrap_or_default().to_string_lossy()), tar)
}

/// Checks that a tarball contains its licences, and no private key.
fn look_into(folder: &Path) -> Result<()> {
    for licence in LICENCES {
        ensure!(folder.join(licence).is_file(), "{} has no {licence}", folder.display());
    }
    // The text is split, so that this file itself does not match.
    let secret = ["PRIVATE", " KEY-----"].concat();
    for entry in WalkDir::new(folder).into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
        let holds = fs::read(entry.path())?.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        ensure!(!holds, "{} holds a private key", entry.path().display());
    }
    Ok(())
}

/// Compiles the unit tests of the crates from their tarballs. (Tests that need the repository's keys cannot run there,
/// because no private key is published.)
fn unit_tests(repository: &Repository, steps: &mut Steps, folder: &Path, crates: &[String]) -> Result<()> {
    let folder = folder.join("crates");
    let mut members = Vec::new();
    let mut patches = String::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some((of, _)) = name.rsplit_once('-').filter(|(of, _)| crates.iter().any(|one| one == of)) {
            patches.push_str(&format!("{of} = {{ path = \"{name}\" }}\n"));
            members.push(format!("{name:?}"));
        }
    }
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n[patch.crates-io]\n{patches}\n[profile.dev]\ndebug = false\n",
        members.join(", ")
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(repository.path("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut test = repository.cargo(&["test", "--no-run", "--workspace", "--lib", "--features", FEATURES]);
    test.current_dir(&folder).env("CARGO_TARGET_DIR", repository.target("release-check"));
    steps.run("compile the unit tests, from the tarballs", test)
}

/// Packs the npm package. The Wasm with its function names is kept beside it, with which the stack of a trap can be
/// read.
fn package(repository: &Repository, steps: &mut Steps, folder: &Path, version: &str) -> Result<PathBuf> {
    let tools = tools::for_building(repository, steps)?;
    build::package(repository, steps, &tools)?;
    let mut pack = repository.npm("npm", &["pack", "--pack-destination"])?;
    pack.arg(folder);
    steps.run("npm pack", pack)?;
    let tarball = folder.join(format!("tidings-{version}.tgz"));
    let unpacked = folder.join("npm");
    unpack(repository, steps, &tarball, &unpacked)?;
    look_into(&unpacked.join("package"))?;
    ensure!(unpacked.join("package/dist/THIRD-PARTY-NOTICES.txt").is_file(), "the npm package has no notices");
    let mut named = repository.npm("npm", &["run", "named-wasm", "--"])?;
    named.arg(folder.join(format!("tidings-{version}.named.wasm")));
    steps.run("the Wasm with its names", named)?;
    Ok(tarball)
}

/// `SHA256SUMS`, as `sha256sum --check` reads it.
fn checksums(repository: &Repository, folder: &Path) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder)?.flatten().filter(|entry| entry.path().is_file()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let code = "const { createHash } = require('node:crypto'); const { readFileSync } = require('node:fs');
        for (const file of process.argv.slice(1)) console.log(`${createHash('sha256').update(readFileSync(file)).digest('hex')}  ${file}`)";
    let mut node = repository.command("node");
    node.current_dir(folder).args(["-e", code, "--"]).args(files.iter().map(fs::DirEntry::file_name));
    let output = node.output().context("starting node")?;
    ensure!(output.status.success(), "no checksums: {}", String::from_utf8_lossy(&output.stderr));
    fs::write(folder.join("SHA256SUMS"), output.stdout).context("writing the checksums")
}

fn find(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let files = WalkDir::new(folder).into_iter().flatten().map(walkdir::DirEntry::into_path);
    files.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## [Unreleased]\n\nTo come.\n\n## [0.1.0] - 2027-01-01\n\nThe first.\n";

    #[test]
    fn notes_are_those_of_the_version() {
        assert_eq!(notes(CHANGELOG, "0.1.0", false).unwrap(), "# Tidings 0.1.0\n\nThe first.\n");
    }

    #[test]
    fn the_unreleased_section_is_no_release() {
        assert!(notes(CHANGELOG, "0.2.0", false).is_err());
        assert_eq!(notes(CHANGELOG, "0.2.0", true).unwrap(), "# Tidings 0.2.0\n\nTo come.\n");
    }

    #[test]
    fn a_tarball_names_its_crate() {
        assert_eq!(crate_name(Path::new("x/tidings-protocol-0.1.0.crate")), Some("tidings-protocol"));
    }
}
