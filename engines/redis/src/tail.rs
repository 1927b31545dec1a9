//! Following the log.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use tidings::engine::{Batch, Limit, Tail};
use tidings_protocol::Cursor;
use tokio::time::timeout;

use crate::log::{Log, TAIL_DEADLINE};

/// As far as one batch goes.
const BATCH: Limit = Limit { records: 1_000, bytes: 4 << 20 };
/// A tail that has waited for so long looks at the log, which proves that it is alive: within [`tidings::engine::TAIL_BEAT`], with time
/// for the look itself.
const BEAT: Duration = Duration::from_millis(1_500);

/// The records after a cursor, without end. Each batch is a page that the server has checked to follow the last one, by number and tag.
pub(crate) fn tail(log: &Arc<Log>, after: Cursor) -> Tail {
    let grown = log.grown.subscribe();
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
        let page = log.page(after, BATCH, TAIL_DEADLINE).await;
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
