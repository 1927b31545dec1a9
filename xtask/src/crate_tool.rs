//! Programs written in Rust that `cargo install` builds.
//!
//! They are installed in the user's cache, in one folder per name and version, so a second clone finds them there and
//! none of the user's own programs is replaced.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::repository::Repository;
use crate::steps::Steps;
use crate::tools::output;

/// A program that `cargo install` builds.
pub(crate) struct CrateTool {
    pub(crate) name: &'static str,
    pub(crate) program: &'static str,
    pub(crate) version: String,
    /// Whether to build it with the versions in its own lock file.
    pub(crate) locked: bool,
}

impl CrateTool {
    pub(crate) fn path(&self, repository: &Repository, steps: &mut Steps) -> Result<PathBuf> {
        Ok(match self.folder(repository, steps)? {
            Some(folder) => folder.join(self.file()),
            None => which::which(self.program)?,
        })
    }

    /// The folder that contains the program; `None` if the right version is on the path already.
    pub(crate) fn folder(&self, repository: &Repository, steps: &mut Steps) -> Result<Option<PathBuf>> {
        if version_of(self.program).is_some_and(|version| version == self.version) {
            return Ok(None);
        }
        let root = repository.tools().join(format!("{}-{}", self.name, self.version));
        let folder = root.join("bin");
        if !folder.join(self.file()).exists() {
            let step = format!("install {} {} (minutes)", self.name, self.version);
            steps.run(&step, self.install(repository, &root))?;
        }
        Ok(Some(folder))
    }

    fn install(&self, repository: &Repository, root: &Path) -> Command {
        let mut command = repository.cargo(&["install", self.name, "--version", &self.version]);
        if self.locked {
            command.arg("--locked");
        }
        // These programs run for seconds, so their build time matters more; these settings halve it.
        command
            .args(["--root".as_ref(), root])
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "false")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        command
    }

    fn file(&self) -> String {
        format!("{}{}", self.program, env::consts::EXE_SUFFIX)
    }
}

/// The version in the output of `--version`: `geckodriver 0.37.1 (hash date)`.
fn version_of(program: &str) -> Option<String> {
    let answer = output(Command::new(which::which(program).ok()?).arg("--version"))?;
    let text = String::from_utf8(answer.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}
