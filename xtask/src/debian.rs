//! Debian packages, unpacked into the user's cache. They are not installed, because that would start system-wide
//! servers.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;
use crate::steps::Steps;

/// The folder that contains the files of these packages, under the paths that they have in a system. Dependencies are
/// not resolved, so name those that a machine may lack, too.
///
/// # Errors
///
/// If there is no apt-get, or it does not know one of the packages.
pub(crate) fn unpack(repository: &Repository, steps: &mut Steps, name: &str, packages: &[&str]) -> Result<PathBuf> {
    let folder = repository.tools().join(name);
    if folder.exists() {
        return Ok(folder);
    }
    ensure!(which::which("apt-get").is_ok(), "apt-get is missing, which would download {}", packages.join(" "));
    // The packages are unpacked beside the final folder, so that the final folder is always complete.
    let making = repository.tools().join(format!("{name}.part"));
    if making.exists() {
        fs::remove_dir_all(&making)?;
    }
    fs::create_dir_all(&making)?;
    let mut download = repository.command("apt-get");
    download.current_dir(&making).arg("download").args(packages);
    steps.run(&format!("apt-get download {name}"), download)?;
    for entry in fs::read_dir(&making)? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = repository.command("dpkg-deb");
            unpack.arg("--extract").arg(&package).arg(&making);
            let file = package.file_name().context("a package has a name")?.to_string_lossy().into_owned();
            steps.run(&format!("unpack {file}"), unpack)?;
            fs::remove_file(&package)?;
        }
    }
    fs::rename(&making, &folder).with_context(|| format!("renaming {}", making.display()))?;
    Ok(folder)
}
