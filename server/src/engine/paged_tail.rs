//! Following a log page by page, for engines whose log is on a server.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tidings_protocol::Cursor;
use tokio::{sync::watch, time::timeout};

use super::{Batch, Limit, ReadError, Tail};
use crate::record::Record;

/// The limit of one batch.
const BATCH: Limit = Limit { records: 1_000, bytes: 4 << 20 };
/// How long a tail waits before it reads the log to prove that it is alive: less than [`TAIL_BEAT`](super::TAIL_BEAT),
/// to leave time for the read.
const BEAT: Duration = Duration::from_millis(1_500);

/// A log that can be followed page by page.
pub trait Pages: Send + Sync + 'static {
    /// The number up to which this handle knows the log; tails wait for it to grow.
    fn grown(&self) -> watch::Receiver<u64>;

    /// The records after a cursor, up to a limit. The server has checked by number and tag that they follow the cursor.
    ///
    /// # Errors
    ///
    /// [`ReadError`], which ends the tail.
    fn tail_page(&self, after: Cursor, limit: Limit) -> impl Future<Output = Result<Vec<Record>, ReadError>> + Send;
}

/// The records after a cursor, without end, as [`Engine::tail`](super::Engine::tail) promises. Dropping the log ends it.
pub fn paged_tail<P: Pages>(log: &Arc<P>, after: Cursor) -> Tail {
    let grown = log.grown();
    // The tail holds the log only while it reads, so that dropping the engine ends the tail.
    let state = (Arc::downgrade(log), grown, Some(after), true);
    stream::unfold(state, |(log, mut grown, after, is_first)| async move {
        let after = after?;
        if !is_first {
            let is_behind = *grown.borrow_and_update() > after.seq;
            // The end of the engine wakes the tail, too.
            if !is_behind && let Ok(waited) = timeout(BEAT, grown.changed()).await {
                waited.ok()?;
            }
        }
        let log = log.upgrade()?;
        let page = log.tail_page(after, BATCH).await;
        let weak = Arc::downgrade(&log);
        Some(match page {
            Ok(records) => {
                let next = records.last().map_or(after, |last| Cursor { seq: last.seq, tag: last.tag, ..after });
                (Ok(Batch { after, records }), (weak, grown, Some(next), false))
            }
            Err(error) => (Err(error), (weak, grown, None, false)),
        })
    })
    .boxed()
}
