//! Following the log: from memory near its end, and from the file where the tail lags. Without new records the tail
//! also reads the file, to prove that it can be read.

use std::sync::{Arc, Weak};

use futures_util::{StreamExt, stream};
use tidings_protocol::Cursor;
use tokio::{sync::watch, time::timeout};

use super::{End, Shared};
use crate::engine::{Batch, EngineError, Limit, ReadError, TAIL_BEAT, Tail};

/// The limit of one batch of the tail.
const BATCH: Limit = Limit { records: 1_000, bytes: 4 << 20 };

struct Follower {
    /// The tail holds the log only while it reads, so that dropping the engine ends the tail.
    log: Weak<Shared>,
    end: watch::Receiver<End>,
    after: Cursor,
    is_first: bool,
}

/// The records after `after`.
pub(super) fn tail(log: &Arc<Shared>, after: Cursor) -> Tail {
    let follower = Follower { log: Arc::downgrade(log), end: log.end.subscribe(), after, is_first: true };
    stream::unfold(Some(follower), |follower| async move {
        let mut follower = follower?;
        let item = follower.next().await?;
        let goes_on = item.is_ok();
        Some((item, goes_on.then_some(follower)))
    })
    .boxed()
}

impl Follower {
    /// The next item; `None` when the engine has ended.
    async fn next(&mut self) -> Option<Result<Batch, ReadError>> {
        let after = self.after;
        let mut has_more = false;
        if !std::mem::take(&mut self.is_first) {
            let grown = self.end.wait_for(|end| end.cursor.seq > after.seq || end.has_ended);
            if let Ok(end) = timeout(TAIL_BEAT, grown).await {
                has_more = !end.ok()?.has_ended;
            }
        }
        let log = self.log.upgrade()?;
        if log.end.borrow().has_ended {
            return Some(Err(EngineError("the writer has ended".into()).into()));
        }
        let recent = has_more.then(|| log.recent.lock().after(after.seq, after.tag, BATCH.records)).flatten();
        let read = match recent.filter(|records| !records.is_empty()) {
            Some(records) => Ok(records),
            // The file is also read when nothing has come, and so proves that it can be read.
            None => log.read(after, BATCH).await,
        };
        Some(read.map(|records| {
            if let Some(last) = records.last() {
                self.after = Cursor { seq: last.seq, tag: last.tag, ..after };
            }
            Batch { after, records }
        }))
    }
}
