//! Engines: what stores and orders records.
//!
//! An engine keeps one ordered log, and beside it a small map, the [`Metadata`]. It knows nothing of connections or HTTP, and of
//! channels only what [`Entry::routing_keys`] says; the hub core knows nothing of how an engine stores. [`Memory`] serves tests
//! and simple applications; `Sqlite`, behind the feature `sqlite`, is durable on one machine. The suite `conformance`, behind the
//! feature of that name, tests every sentence of this page on an engine of your own.
//!
//! | module | holds |
//! |---|---|
//! | `backlog` | how many bytes of appends wait for a log |
//! | `bounds` | where a log begins and ends, what a read may take, what an engine can and remembers |
//! | `location` | what can be said of a cursor |
//! | `page` | what reads and tails yield, and why they cannot |
//! | `summary` | routing keys, and when each was used last in the part of the log that has left |
//! | `retention` | how old a record is, whatever the wall clock says |
//! | `server_clock`, `group_commit`, `paged_tail` | what engines share whose log is on a server: deadlines by its clock, appends in one call, a tail of pages |
//! | `metadata` | the small map |
//!
//! The contract is made for logs of several servers, too. NATS JetStream fits it: a stream whose records carry a random tag in a header, an
//! atomic batch for each append ([`Limits`] has its bounds), a consumer for each tail whose contiguity the engine checks, keys that are known for
//! [as long as](Remembers) its window of duplicates, metadata asked of the leader, and [`Peers`] over its subjects.
//!
//! What every engine promises:
//!
//! 1. **Order.** `seq` runs from 1 without holes. Records are only ever removed **from the front**: by [`trim`](Engine::trim), and by
//!    an append that finds the log far beyond its bounds, where nothing else bounds what the log takes between two calls of `trim`
//!    (`Memory` does so from an eighth on, because a loop of publishes would fill the machine's memory within a second).
//! 2. **Acknowledgement.** An append that was acknowledged is in the log. One that was [refused](AppendError::Refused) is not and
//!    never will be, nor is one that found the engine [overloaded](AppendError::Overloaded). Of one whose future was dropped, or that failed as [`Unknown`](AppendError::Unknown), nothing is known: the
//!    same keys may be appended again. What would be stored after the append's deadline is not stored, or is void for every
//!    reader alike.
//! 3. **Idempotency.** An entry whose key the log knows is not stored again; its receipt is the first one's, marked `duplicate`.
//!    How long a key is known is said by [`remembers`](Engine::remembers).
//! 4. **Lineage.** Another `epoch` means another log. Within an epoch the `tag` tells a record from another one that came to stand
//!    at its `seq`, when a log lost its end and used the numbers again. Every call that takes a cursor checks both.
//! 5. **Tail.** A tail yields every record after its cursor, in order, once, and only after the record could be acknowledged.
//!    Each batch names the cursor that it follows, so that the hub itself sees that nothing is missing or replaced. A tail
//!    that has nothing to yield yields an empty batch at least every [`TAIL_BEAT`], by the connection that its records come by,
//!    so that a quiet log is told from a dead tail.
//! 6. **Read your writes.** `read`, `locate`, `bounds` and `at` show at least what this handle has acknowledged or yielded.
//! 7. **Damage is told.** A record that cannot be read as it was written is never yielded and never passed over: the call answers
//!    [`ReadError::Damaged`], which says where the log goes on.
//! 8. **Only true gaps.** When records leave the log, the last number of each of their routing keys is kept in a bounded summary,
//!    which [`moved`](Engine::moved) answers from, and the tags of the last records that left are kept too. Both are
//!    written together with the removal. What the bounds of the summary leave out counts as moved.
//! 9. **Versions.** An entry of a newer version of Tidings is a [void](crate::record::Audience::Void) record, never an error.

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

/// How often a tail that has nothing else to yield yields an empty batch, at least.
pub const TAIL_BEAT: Duration = Duration::from_secs(2);

/// What an engine's tail is: see [`Engine::tail`].
pub type Tail = BoxStream<'static, Result<Batch, ReadError>>;

/// One ordered log. See the [module](self) for what it promises.
///
/// Two handles of one log, on one machine or on several, may be used at the same time where an engine says so; all promises then
/// hold across them.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Stores the entries one after the other, all or none, and returns when they are as safe as this engine makes them, at the
    /// latest when `deadline` has passed, counted from the call: the hub has no timer of its own around it. What is not stored by
    /// then must not be stored later.
    ///
    /// # Errors
    ///
    /// [`AppendError`]: refused, overloaded, or unknown.
    async fn append(&self, entries: Vec<Arc<Entry>>, deadline: Duration) -> Result<Vec<Receipt>, AppendError>;

    /// The records after `after`, in order, in batches, without end. The first batch comes at once, empty if need be, and says that
    /// the log holds `after`. After an error the tail ends, and the hub attaches again.
    fn tail(&self, after: Cursor) -> Tail;

    /// The records after `after`, in order, up to the limit; fewer at the end of the log, or where one is damaged; none only at
    /// the end. In one trip: what is read follows `after`, or the answer is an error.
    ///
    /// # Errors
    ///
    /// [`ReadError`]: why the record after `after` cannot be had.
    async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError>;

    /// Where the log begins and ends, asked of the log itself.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be asked.
    async fn bounds(&self) -> Result<Bounds, EngineError>;

    /// The cursor at a number, where the log holds that record, or begins right after it.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be asked.
    async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError>;

    /// What can be said of each of these cursors, in one trip.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be asked.
    async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError>;

    /// For each of these keys, the number of the last record of that key that has left the log; 0 where there was none. For a key
    /// that the summary has no room for it is the last number that such a key may have had.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be asked.
    async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError>;

    /// Removes what the engine keeps no longer from the front of the log, a bounded step at a time, and keeps in the summary what
    /// leaves. The hub calls it every second, and again at once while there is more; several hubs may call it at once.
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

    /// The way between the hubs of this log, where the engine has one. Without one, a call about a stream that another hub holds is
    /// answered as one about a stream that is not there (404), and the client opens another stream.
    fn peers(&self) -> Option<Arc<dyn Peers>> {
        None
    }

    /// Finishes what was begun and lets go of files and connections. Later calls fail.
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
