//! Engines: what stores and orders records.
//!
//! An engine is one ordered log with five operations. It knows nothing of connections, channels or HTTP; the hub core knows
//! nothing of how an engine stores. [`Memory`] serves tests and simple applications; `Sqlite`, behind the feature `sqlite`, is
//! durable on one machine. An engine of your own is held to the promises by the suite `conformance`, behind the feature of
//! that name.
//!
//! What every engine promises:
//!
//! - `seq` runs from 1 without holes; records are only ever removed **from the front**.
//! - An append that was acknowledged is in the log; one that was refused is not and never will be; of one whose future
//!   was dropped, or that failed as [`AppendError::Unknown`], nothing is known, and the same keys may be appended again.
//! - An entry whose key the log knows is not stored again; its receipt is the first one's, marked `duplicate`.
//! - `tail` yields every record from its start on, in order, once, and only after it could be acknowledged.
//! - Another `epoch` means another log. Within an epoch `tag` tells a record from another that came to stand at its `seq`.

#[cfg(feature = "conformance")]
pub mod conformance;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::stream::BoxStream;
pub use memory::{Memory, MemoryBuilder};
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, OpenErrorKind, Sqlite, SqliteBuilder};
use tidings_protocol::Cursor;

use crate::record::{Entry, Record};

/// Where the log begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The log's lineage.
    pub epoch: u32,
    /// The first record still held, or the one that will come next in an empty log; from 1.
    pub first: u64,
    /// The last record, `first - 1` in an empty log.
    pub last: u64,
    /// The tag of the record at `first - 1`; 0 at the origin. By it a cursor that stands just before the log is tested.
    pub base_tag: u32,
}

/// Acknowledgement of one entry: it is in the log and will reach everyone it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where the entry stands in the log.
    pub cursor: Cursor,
    /// Whether its key was known: then `cursor` is the first one's, and nothing was stored.
    pub duplicate: bool,
}

/// How far a read may go.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// At most this many records.
    pub records: usize,
    /// Stop after the record with which this many payload bytes are reached; at least one record is returned.
    pub bytes: usize,
}

/// Any failure of an engine, with its source in words.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why an append was not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Nothing was stored, nor will be.
    #[error("the engine refused the append")]
    Refused(#[source] Source),
    /// It may have been stored; append again with the same keys.
    #[error("the engine did not say whether it stored the append")]
    Unknown(#[source] Source),
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the engine could not be read")]
pub struct EngineError(#[source] pub Source);

/// One ordered log. See the [module](self) for what it promises.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Stores the entries one after the other, all or none, and returns when they are as safe as this engine makes them.
    async fn append(&self, entries: Vec<Arc<Entry>>) -> Result<Vec<Receipt>, AppendError>;

    /// The records from `from` on (0 means 1), in order, in batches, without end. It ends or yields an error when the engine can't say
    /// any more what follows (an outage, `from` trimmed away, another epoch); the hub then asks [`bounds`](Self::bounds) and
    /// attaches again.
    fn tail(&self, from: u64) -> BoxStream<'static, Result<Vec<Record>, EngineError>>;

    /// The records after `after`, in order, up to the limit; fewer, or none, at the end of the log, or where the ones
    /// asked for are trimmed: a caller looks at the first one's `seq`.
    async fn read(&self, after: u64, limit: Limit) -> Result<Vec<Record>, EngineError>;

    /// Where the log begins and ends, asked of the log itself.
    async fn bounds(&self) -> Result<Bounds, EngineError>;

    /// The small durable map beside the log.
    fn metadata(&self) -> &dyn Metadata;
}

/// A small durable key/value map beside the log, untouched by trimming. The hub keeps in it what the commands in the log have
/// left in force, such as revocations, one key each.
#[async_trait]
pub trait Metadata: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError>;

    /// Sets a key; `None` removes it.
    async fn put(&self, key: &str, value: Option<Vec<u8>>) -> Result<(), EngineError>;

    /// The keys that begin with this, and their values, in the keys' order.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError>;
}
