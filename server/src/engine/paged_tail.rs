//! Following a log page by page, for engines whose log is on a server.

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tidings_protocol::Cursor;
use tokio::{sync::watch, time::timeout};

use super::{Batch, Limit, ReadError, Tail};
use crate::record::Record;

/// As far as one batch goes.
const BATCH: Limit = Limit { records: 1_000, bytes: 4 << 20 };
/// A tail that has waited for so long looks at the log, which proves that it is alive: within [`TAIL_BEAT`](super::TAIL_BEAT), with time
/// for the look itself.
const BEAT: Duration = Duration::from_millis(1_500);

/// A log that is followed page by page.
pub trait Pages: Send + Sync + 'static {
    /// As far as this handle knows the log to go; tails wait for it to grow.
    fn grown(&self) -> watch::Receiver<u64>;

    /// What follows a cursor, as far as a limit, which the server has checked to follow it, by number and tag.
    ///
    /// # Errors
    ///
    /// [`ReadError`], which ends the tail.
    fn tail_page(&self, after: Cursor, limit: Limit) -> impl Future<Output = Result<Vec<Record>, ReadError>> + Send;
}

/// The records after a cursor, without end, as [`Engine::tail`](super::Engine::tail) promises. Dropping the log ends it.
pub fn paged_tail<P: Pages>(log: &Arc<P>, after: Cursor) -> Tail {
    let grown = log.grown();
    // The tail holds the log only while it reads, so that dropping the engine ends it.
    let state = (Arc::downgrade(log), grown, Some(after), true);
    stream::unfold(state, |(log, mut grown, after, is_first)| async move {
        let after = after?;
        if !is_first {
            let is_behind = *grown.borrow_and_update() > after.seq;
            // The end of the engine wakes it, too.
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
