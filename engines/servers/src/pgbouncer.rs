//! A connection pooler in front of a PostgreSQL server.

use std::{fs, path::Path, sync::Mutex};

use anyhow::Result;
use tempfile::TempDir;

use crate::{
    Postgres, free_port,
    guarded::{Guarded, listens},
    packages,
};

/// When PgBouncer gives a server connection back to its pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client disconnects.
    Session,
    /// After each transaction.
    Transaction,
}

/// A PgBouncer in front of a server.
#[derive(Debug)]
pub struct PgBouncer {
    _directory: TempDir,
    port: u16,
    _running: Mutex<Guarded>,
}

impl PgBouncer {
    /// Starts a PgBouncer in front of this server.
    ///
    /// # Errors
    ///
    /// If there is no PgBouncer and none can be downloaded, or it does not start.
    pub fn before(server: &Postgres, mode: PoolMode) -> Result<Self> {
        let installed = Path::new("/usr/sbin/pgbouncer");
        let (program, libraries) = if installed.exists() {
            (installed.to_owned(), None)
        } else {
            let root = packages::unpacked("pgbouncer", "usr/sbin/pgbouncer", || {
                let mut all = packages::needed("pgbouncer", "lib")?;
                all.push("pgbouncer".to_owned());
                Ok(all)
            })?;
            (root.join("usr/sbin/pgbouncer"), Some(packages::libraries(&root)?))
        };
        let directory = tempfile::Builder::new().prefix("tidings-pgbouncer-").tempdir()?;
        let (folder, port) = (directory.path(), free_port()?);
        let mode = match mode {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        };
        let configuration = format!(
            "[databases]
tidings = host=127.0.0.1 port={} user=tidings
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
ignore_startup_parameters = options,extra_float_digits
",
            server.port()
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, configuration)?;
        let words = packages::not_as_root(&[program.display().to_string(), file.display().to_string()]);
        let running = Guarded::start_server("PgBouncer", &words, libraries.as_deref(), folder, || listens(port))?;
        Ok(Self { _directory: directory, port, _running: Mutex::new(running) })
    }

    /// The URL of the database through the pooler.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{}/tidings", self.port)
    }
}
