//! Engines, which store and order records.
//!
//! An engine keeps one ordered log, and a small map beside it, the [`Metadata`]. It knows nothing of connections or
//! HTTP, and of channels only the [`Entry::routing_keys`]; the hub core knows nothing of how an engine stores.
//! [`Memory`] serves tests and simple applications; `Sqlite`, behind the feature `sqlite`, is durable on one machine.
//! The suite `conformance`, behind the feature of that name, tests every promise on this page on an engine of your own.
//!
//! | module | holds |
//! |---|---|
//! | `backlog` | the bytes of appends that wait for a log |
//! | `bounds` | where a log begins and ends, the limits of a read and of an append, how long keys are known |
//! | `location` | where a cursor lies in a log |
//! | `page` | the results of reads and tails, and their errors |
//! | `summary` | routing keys, and the last use of each in the part of the log that was trimmed |
//! | `retention` | the age of records, independent of jumps of the wall clock |
//! | `server_clock`, `group_commit`, `paged_tail` | shared parts of engines whose log is on a server: deadlines by the server's clock, many appends in one call, a tail of pages |
//! | `metadata` | the small map |
//!
//! The contract also fits logs on several servers, NATS JetStream for example: a stream whose records carry a random
//! tag in a header; an atomic batch for each append ([`Limits`] has its bounds); a consumer that wakes each
//! tail, which then reads a page; keys that are known [as long as](Remembers) the stream's window of duplicates;
//! metadata read from the leader; and [`Peers`] over its subjects. A sketch in `engines/jetstream` passes the suite.
//!
//! Every engine promises:
//!
//! 1. **Order.** `seq` runs from 1 without holes. Records are removed **from the front** only: by
//!    [`trim`](Engine::trim), and by an append that finds the log far beyond its bounds, if nothing else bounds the log
//!    between two calls of `trim` (`Memory` does so when the log exceeds its bounds by an eighth, because a loop of
//!    publishes would fill the machine's memory within a second).
//! 2. **Acknowledgement.** An append that was acknowledged is in the log. An append that was
//!    [refused](AppendError::Refused), or found the engine [overloaded](AppendError::Overloaded), is not in the log and
//!    never will be. After an append whose future was dropped, or that failed as [`Unknown`](AppendError::Unknown),
//!    nothing is known; the same keys may be appended again. An entry that would be stored after the append's deadline
//!    is not stored, or is void for every reader alike.
//! 3. **Idempotency.** An entry whose key the log knows is not stored again; its receipt is the first one's, marked
//!    `duplicate`. [`remembers`](Engine::remembers) says how long a key is known.
//! 4. **Lineage.** Another `epoch` means another log. Within an epoch, the `tag` distinguishes a record from another
//!    one with the same `seq`, which exists if a log lost its end and reused the numbers. Every call that takes a
//!    cursor checks both.
//! 5. **Tail.** A tail yields every record after its cursor, in order, once, and only after the record could be
//!    acknowledged. Each batch names the cursor that it follows, so that the hub itself can verify that nothing is
//!    missing or replaced. A tail without new records yields an empty batch at least every [`TAIL_BEAT`], over the
//!    connection that its records come by, so that a quiet log can be told from a dead tail.
//! 6. **Read your writes.** `read`, `locate`, `bounds` and `at` show at least everything that this handle has
//!    acknowledged or yielded.
//! 7. **Damage is reported.** A record that cannot be read as it was written is never yielded and never skipped
//!    silently: the call answers [`ReadError::Damaged`], which says where the log continues.
//! 8. **Only true gaps.** When records are trimmed, the last number of each of their routing keys is kept in a bounded
//!    summary, from which [`moved`](Engine::moved) answers, and the tags of the last trimmed records are kept too. Both
//!    are written together with the removal. A key that the summary has no room for counts as moved.
//! 9. **Versions.** An entry of a newer version of Tidings becomes a [void](crate::record::Audience::Void) record,
//!    never an error.

mod backlog;
mod bounds;
#[cfg(feature = "conformance")]
pub mod conformance;
mod group_commit;
mod location;
mod memory;
mod metadata;
mod page;
mod paged_tail;
mod retention;
mod server_clock;
#[cfg(feature = "sqlite")]
mod sqlite;
mod summary;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
pub use bounds::{Bounds, Limit, Limits, Receipt, Remembers, Trim};
use futures_util::stream::BoxStream;
pub use group_commit::{CommitError, Committer, GroupCommit, GroupedAppend};
pub use location::Location;
pub use memory::{Memory, MemoryBuilder};
pub use metadata::Metadata;
pub use page::{AppendError, Batch, EngineError, ReadError, Source};
pub use paged_tail::{Pages, paged_tail};
pub use retention::{AgeClock, Retention};
pub use server_clock::ServerClock;
#[cfg(feature = "sqlite")]
pub use sqlite::{OpenError, OpenErrorKind, Sqlite, SqliteBuilder};
pub use summary::{RoutingKey, Summary};
use tidings_protocol::Cursor;

use crate::{
    peers::Peers,
    record::{Entry, Record},
};

/// The longest time between two batches of a tail; without new records the tail yields an empty one.
pub const TAIL_BEAT: Duration = Duration::from_secs(2);

/// The tail of an engine; see [`Engine::tail`].
pub type Tail = BoxStream<'static, Result<Batch, ReadError>>;

/// One ordered log. The [module](self) lists its promises.
///
/// An engine says whether two handles of one log, on one machine or on several, may be used at the same time; all
/// promises then hold across them.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Stores the entries in their order, all or none. Returns when they are as safe as this engine makes them, at the
    /// latest when `deadline` has passed since the call: the hub has no timer of its own around it. Entries that are
    /// not stored by then must not be stored later.
    ///
    /// # Errors
    ///
    /// [`AppendError`]: the append was refused, the engine is overloaded, or the outcome is unknown.
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError>;

    /// The records after `after`, in order, in batches, without end. The first batch comes at once, empty if there is
    /// nothing to yield, and confirms that the log holds `after`. After an error the tail ends, and the hub attaches
    /// again.
    fn tail(&self, after: Cursor) -> Tail;

    /// The records after `after`, in order, up to the limit. The engine returns fewer at the end of the log or before a
    /// damaged record, and none only at the end. In one trip: either the records follow `after`, or the answer is an
    /// error.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: why the record after `after` cannot be read.
    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError>;

    /// Where the log begins and ends, read from the log itself.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be reached.
    async fn bounds(&self) -> Result<Bounds, EngineError>;

    /// The cursor at a number; `None` unless the log holds that record or begins right after it.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be reached.
    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError>;

    /// Where each of these cursors lies, in one trip.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be reached.
    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError>;

    /// For each of these keys, the number of its last record that was trimmed; 0 where none was. For a key that the
    /// summary has no room for, it is the highest number that such a key may have had.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be reached.
    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError>;

    /// Removes records beyond the engine's bounds from the front of the log, a bounded step at a time, and adds their
    /// keys to the summary. The hub calls it every second, and again at once while there is more to remove; several
    /// hubs may call it at the same time.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: nothing was removed.
    async fn trim(&self) -> Result<Trim, EngineError>;

    /// The small map beside the log.
    fn metadata(&self) -> &dyn Metadata;

    /// How long the key of an entry is known.
    fn remembers(&self) -> Remembers {
        Remembers::WithRecord
    }

    /// What one append may hold.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// The transport between the hubs of this log, if the engine has one. Without it, a call about a stream of another
    /// hub is answered with 404, and the client opens another stream.
    fn peers(&self) -> Option<Arc<dyn Peers>> {
        None
    }

    /// Finishes the work in progress and releases files and connections. Later calls fail.
    async fn close(&self);
}

#[async_trait]
impl<E: Engine + ?Sized> Engine for Arc<E> {
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError> {
        (**self).append(entries, deadline).await
    }

    fn tail(&self, after: Cursor) -> Tail {
        (**self).tail(after)
    }

    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        (**self).read(after, limit).await
    }

    async fn bounds(&self) -> Result<Bounds, EngineError> {
        (**self).bounds().await
    }

    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        (**self).at(seq).await
    }

    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        (**self).locate(cursors).await
    }

    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        (**self).moved(keys).await
    }

    async fn trim(&self) -> Result<Trim, EngineError> {
        (**self).trim().await
    }

    fn metadata(&self) -> &dyn Metadata {
        (**self).metadata()
    }

    fn remembers(&self) -> Remembers {
        (**self).remembers()
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }

    fn peers(&self) -> Option<Arc<dyn Peers>> {
        (**self).peers()
    }

    async fn close(&self) {
        (**self).close().await;
    }
}
