//! The folders of the repository, and the environment of child processes.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

pub(crate) struct Repository {
    root: PathBuf,
    target: PathBuf,
    cache: PathBuf,
}

impl Repository {
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in a workspace")?.to_owned();
        // `join` keeps an absolute path as it is.
        let target = root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
        Ok(Self { root, target, cache: user_cache()?.join("tidings") })
    }

    /// A path in the repository.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path in cargo's target folder.
    pub(crate) fn target(&self, relative: &str) -> PathBuf {
        self.target.join(relative)
    }

    /// A program built by `cargo build --release`.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.target("release").join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// A program built by `cargo build`.
    pub(crate) fn debug_program(&self, name: &str) -> PathBuf {
        self.target("debug").join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.target("xtask/logs")
    }

    /// The folder for programs that outlive a clone, installed once per user and version.
    pub(crate) fn tools(&self) -> PathBuf {
        self.cache.join("tools")
    }

    /// A command that runs at the root of the repository, with no standard input and without the variables that cargo
    /// sets for this program. (Build scripts that watch these variables would otherwise run again at every change
    /// between `cargo` and `cargo xtask`.)
    pub(crate) fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(program.into());
        command.current_dir(&self.root).stdin(Stdio::null());
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command("cargo");
        command.args(arguments);
        command
    }

    /// npm, in a folder of the repository ("" is the root).
    pub(crate) fn npm(&self, folder: &str, arguments: &[&str]) -> Result<Command> {
        // On Windows `npm` is a script, which starts only by its full path.
        let npm = which::which("npm").context("npm is missing; install Node 20 or newer")?;
        let mut command = self.command(npm);
        command.current_dir(self.path(folder)).args(arguments);
        Ok(command)
    }
}

/// This process's PATH with these folders in front.
pub(crate) fn path_with(folders: &[PathBuf]) -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let all = folders.iter().cloned().chain(env::split_paths(&inherited));
    env::join_paths(all).context("a folder of PATH has a name that PATH cannot hold")
}

fn user_cache() -> Result<PathBuf> {
    // The XDG specification says to ignore a relative path.
    let xdg = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(path) = xdg {
        return Ok(path);
    }
    let home = env::home_dir().context("no home folder; set XDG_CACHE_HOME")?;
    Ok(home.join(".cache"))
}
