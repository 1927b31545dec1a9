//! Installing Debian packages, where this user may do that.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::repository::Repository;
use crate::steps::Steps;

/// Installs packages.
///
/// # Errors
///
/// If this machine has no apt, or this user is neither root nor has sudo without a password. The message then says what
/// to install by hand.
pub(crate) fn install(repository: &Repository, steps: &mut Steps, missing: &str, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if which::which("apt-get").is_err() {
        bail!("{missing} missing, and there is no apt-get here to install it with (Debian's packages: {list})");
    }
    let Some(prefix) = privilege() else {
        bail!("{missing} missing; run: sudo apt-get install -y --no-install-recommends {list}");
    };
    let apt = |arguments: &[&str]| {
        let mut words = prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        let mut command = repository.command(words.next().copied().unwrap_or("env"));
        command.args(words).args(arguments);
        command
    };
    steps.run("apt-get update", apt(&["update"]))?;
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(packages);
    steps.run(&format!("apt-get install {list}"), apt(&arguments))
}

/// The words in front of a command that needs root; `None` where this user cannot become root.
fn privilege() -> Option<&'static [&'static str]> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    succeeds(Path::new("sudo"), &["-n", "true"]).then_some(&["sudo", "-n"])
}

/// Whether a program can be started and exits with success.
pub(crate) fn succeeds(program: &Path, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
