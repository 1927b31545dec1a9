//! Centrifugo, for the benchmarks: built with Go, if that is installed, into the user's cache.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;
use crate::steps::Steps;

const VERSION: &str = "6.9.1";
/// Go's own installer puts it here, which is not always on the path.
const GO: [&str; 2] = ["go", "/usr/local/go/bin/go"];

/// The program, built if it does not exist.
pub(crate) fn find_or_build(repository: &Repository, steps: &mut Steps) -> Result<PathBuf> {
    let folder = repository.tools().join(format!("centrifugo-{VERSION}"));
    let program = folder.join("bin/centrifugo");
    if !program.exists() {
        let go = GO
            .into_iter()
            .find_map(|name| which::which(name).ok())
            .context("Go is not installed; install it from https://go.dev/dl")?;
        let mut install = repository.command(go);
        install.env("GOBIN", folder.join("bin")).arg("install");
        install.arg(format!("github.com/centrifugal/centrifugo/v6@v{VERSION}"));
        steps.run("go install centrifugo (minutes, once)", install)?;
        ensure!(program.exists(), "`go install` produced no centrifugo");
    }
    Ok(program)
}
