//! A **sketch** of the log of Tidings in NATS JetStream (2.12 or newer). It is not published, and not for use: it keeps
//! the contract of engines fit for a log that numbers and replicates its records by itself, by passing the conformance
//! suite with several handles on one log.
//!
//! What it lacks: bounds by bytes and age; the deadline of an append that the server stores late (a publish that was
//! given up may still be stored, and a retry after [`WINDOW`] is then stored twice); more than one replica, with leaders
//! that change; a summary of more keys than one message holds; `Peers`; credentials and TLS; and an append of which some
//! keys are known is stored entry by entry, so that a failure may leave a part of it, which a retry completes.
//!
//! | module | does |
//! |---|---|
//! | `api` | the calls of JetStream's API |
//! | `log` | reading and trimming |
//! | `metadata` | the map beside the log |
//! | `summary` | what was trimmed |
//! | `writer` | appends |

mod api;
mod log;
mod metadata;
mod summary;
mod writer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use log::Log;
use tidings::{
    engine::{
        AppendError, Bounds, Engine, EngineError, GroupCommit, Limit, Limits, Location, Metadata, ReadError, Receipt,
        Remembers, RoutingKey, Tail, Trim, paged_tail,
    },
    record::{Entry, Record},
};
use tidings_protocol::Cursor;
use tokio::task::AbortHandle;
use writer::{BATCH, Writer};

/// How long the server knows the key of an entry.
pub const WINDOW: Duration = Duration::from_secs(120);
/// The room that the headers of a message take of the server's largest payload.
const HEADERS: usize = 1_024;

/// A handle on a log in two streams of a NATS server: `NAME` and `NAME_meta`.
pub struct JetStream {
    log: Arc<Log>,
    appends: GroupCommit<Writer>,
    tasks: [AbortHandle; 2],
}

impl JetStream {
    /// Opens the log of this name, which keeps this many records, or creates it if it does not exist.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the server cannot be reached, or is older than 2.12.
    pub async fn open(url: &str, name: &str, records: u64) -> Result<Self, EngineError> {
        let log = Arc::new(Log::open(url, name, records).await?);
        let (appends, writes) = GroupCommit::start(Writer(log.clone()));
        let listens = tokio::spawn(Log::listen(Arc::downgrade(&log))).abort_handle();
        Ok(Self { log, appends, tasks: [writes, listens] })
    }

    /// Another handle on the same log.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn another(&self) -> Result<Self, EngineError> {
        Self::open(&self.log.url, &self.log.api.stream, self.log.records).await
    }

    fn end(&self) {
        self.log.close();
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for JetStream {
    fn drop(&mut self) {
        self.end();
    }
}

#[async_trait]
impl Engine for JetStream {
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        if entries.len() > BATCH {
            return Err(AppendError::Refused(format!("an append has at most {BATCH} entries").into()));
        }
        self.appends.append(&entries, deadline).await
    }

    fn tail(&self, after: Cursor) -> Tail {
        paged_tail(&self.log, after)
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        self.log.read(after, limit).await
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        self.log.bounds().await
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        self.log.at(seq).await
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        self.log.locate(cursors).await
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        self.log.moved(keys).await
    }

    async fn trim(&self) -> Result<Trim, EngineError> {
        self.log.trim().await
    }

    fn metadata(&self) -> &dyn Metadata {
        &*self.log
    }

    fn remembers(&self) -> Remembers {
        Remembers::AtLeast(WINDOW)
    }

    fn limits(&self) -> Limits {
        Limits::default().batch(BATCH).entry_bytes(self.log.api.max_payload().saturating_sub(HEADERS))
    }

    async fn close(&self) {
        self.appends.finish(api::DEADLINE).await;
        self.end();
    }
}
