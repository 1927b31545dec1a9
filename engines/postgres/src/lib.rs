//! The log of Tidings in PostgreSQL (13 or newer), shared by any number of equal hubs, on a database that you already
//! run.
//!
//! ```no_run
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tidings::Hub;
//! use tidings_postgres::Postgres;
//!
//! let engine = Postgres::open("postgres://tidings@db.example/app?sslmode=require").await?;
//! let hub = Hub::builder().engine(engine).build().await?;
//! # Ok(()) }
//! ```
//!
//! | module | does |
//! | `builder`, `schema`, `error` | the settings, and opening with its checks; the tables and functions; errors |
//! | `session`, `tls` | a connection with its prepared statements; encryption |
//! | `writer` | appends, grouped into one call |
//! | `listener` | how a handle learns that the log has grown |
//! | `peers` | the transport between hubs |
//! | `log`, `metadata` | reading and trimming; the map beside the log |
//!
//! The README says what is guaranteed after which fault, what is refused when a log is opened, and how to back it up.
#![deny(missing_docs)]

mod builder;
mod error;
mod listener;
mod log;
mod metadata;
mod peers;
mod schema;
mod session;
mod tls;
mod writer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use builder::PostgresBuilder;
pub use error::{OpenError, OpenErrorKind};
use log::Log;
use peers::Mail;
use tidings::{
    engine::{
        AppendError, Bounds, Engine, EngineError, GroupCommit, Limit, Limits, Location, Metadata, ReadError, Receipt,
        RoutingKey, Tail, Trim, paged_tail,
    },
    peers::{Mailbox, Peers},
    record::{Entry, Record},
};
use tidings_protocol::Cursor;
use tokio::task::AbortHandle;
use writer::Writer;

/// A log in one schema of a PostgreSQL database. Any number of handles, in one process or on many machines, may use one
/// log at the same time; clones are the same handle.
#[derive(Clone)]
pub struct Postgres {
    handle: Arc<Handle>,
}

struct Handle {
    builder: PostgresBuilder,
    log: Arc<Log>,
    mailbox: Arc<Mailbox<Mail>>,
    appends: GroupCommit<Writer>,
    tasks: Vec<AbortHandle>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.end();
    }
}

impl Handle {
    fn end(&self) {
        self.log.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("schema", &self.handle.log.settings.schema).finish_non_exhaustive()
    }
}

impl Postgres {
    /// Opens the log in the schema `tidings` of this database, or creates it if it does not exist. See
    /// [`builder`](Self::builder) for the URL.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the URL is wrong, the server cannot be reached or cannot serve as a log, or the schema has another version.
    pub async fn open(url: impl AsRef<str>) -> Result<Self, OpenError> {
        Self::builder(url).open().await
    }

    /// The settings of a log in this database: a URL (`postgres://user:password@host:port/database?sslmode=require`) or
    /// libpq's key/value pairs, with several hosts where there are standbys. With `sslmode=require` the connection is
    /// encrypted and the server's certificate verified; without it, neither.
    pub fn builder(url: impl AsRef<str>) -> PostgresBuilder {
        PostgresBuilder::new(url.as_ref())
    }

    /// The schema that holds the log.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.handle.log.settings.schema
    }

    /// A builder with the settings of this handle, to open another one.
    pub fn again(&self) -> PostgresBuilder {
        self.handle.builder.clone()
    }
}

#[async_trait]
impl Engine for Postgres {
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        self.handle.appends.append(&entries, deadline).await
    }

    fn tail(&self, after: Cursor) -> Tail {
        paged_tail(&self.handle.log, after)
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        self.handle.log.read(after, limit).await
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        self.handle.log.bounds().await
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        self.handle.log.at(seq).await
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        self.handle.log.locate(cursors).await
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        self.handle.log.moved(keys).await
    }

    async fn trim(&self) -> Result<Trim, EngineError> {
        self.handle.log.trim().await
    }

    fn metadata(&self) -> &dyn Metadata {
        &*self.handle.log
    }

    fn peers(&self) -> Option<Arc<dyn Peers>> {
        Some(self.handle.mailbox.clone())
    }

    fn limits(&self) -> Limits {
        GroupCommit::<Writer>::limits()
    }

    async fn close(&self) {
        // Appends that were handed over before are finished, as far as the server allows it.
        self.handle.appends.finish(log::DEADLINE).await;
        self.handle.end();
        self.handle.mailbox.post().close().await;
        self.handle.log.disconnect().await;
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
