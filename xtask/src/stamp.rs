//! Whether a step may be skipped: its inputs are those of its last success, and its outputs exist.
//!
//! Inputs are compared by content, so that a fresh checkout or a touched file costs nothing.

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use walkdir::{DirEntry, WalkDir};

use crate::repository::Repository;

/// Folders that steps write. Such a folder is an input only if it is named itself, never if it is found inside another.
const WRITTEN: [&str; 6] = ["node_modules", "dist", "pkg", "target", "test-results", "generated"];

pub(crate) struct Stamp {
    file: PathBuf,
    digest: String,
    fresh: bool,
}

impl Stamp {
    /// `inputs` and `outputs` are files or folders of the repository.
    pub(crate) fn of(repository: &Repository, name: &str, inputs: &[&str], outputs: &[&str]) -> Result<Self> {
        let file = repository.target("xtask/stamps").join(name);
        let mut hasher = DefaultHasher::new();
        // The compiler is an input of every step.
        compiler().hash(&mut hasher);
        for input in inputs {
            digest(&repository.path(input), &mut hasher)?;
        }
        let digest = format!("{:016x}", hasher.finish());
        let fresh = fs::read_to_string(&file).is_ok_and(|stored| stored == digest)
            && outputs.iter().all(|output| repository.path(output).exists());
        Ok(Self { file, digest, fresh })
    }

    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Call this when the step has succeeded. The digest was taken when the step started, so a file that was edited
    /// meanwhile makes the step run again.
    pub(crate) fn store(&self) -> Result<()> {
        let folder = self.file.parent().context("a stamp lies in a folder")?;
        fs::create_dir_all(folder)?;
        fs::write(&self.file, &self.digest).with_context(|| format!("writing {}", self.file.display()))
    }
}

/// The compiler's version, `rustc 1.95.0 (hash date)`; empty if there is no compiler.
pub(crate) fn compiler() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let output = Command::new("rustc").arg("--version").output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    })
}

fn digest(input: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let kept = |entry: &DirEntry| entry.depth() == 0 || is_source(entry.file_name());
    let entries = WalkDir::new(input).sort_by_file_name().into_iter();
    for entry in entries.filter_entry(kept) {
        let entry = entry.with_context(|| format!("listing {}", input.display()))?;
        if entry.file_type().is_file() {
            let path = entry.path();
            path.strip_prefix(input).unwrap_or(path).hash(hasher);
            fs::read(path).with_context(|| format!("reading {}", path.display()))?.hash(hasher);
        }
    }
    Ok(())
}

/// Whether a file or folder of this name may be an input: no step writes it, and it is not hidden.
pub(crate) fn is_source(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    !name.starts_with('.') && !WRITTEN.contains(&name.as_ref())
}
