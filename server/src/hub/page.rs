//! Reading the engine's log for a stream whose position lies before the window.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{
    Hub,
    patience::{REATTACH_DELAY, in_time},
};
use crate::{
    connection::{Concern, Fetched, Hole, Skip},
    core::Link,
    engine::{EngineError, ReadError},
};

impl Hub {
    /// A page of the engine's log after a position that lies before the window. It waits while the engine cannot be
    /// reached; the stream stays open meanwhile.
    pub(crate) async fn page(&self, link: &Link, after: Cursor) -> Fetched {
        loop {
            match self.try_page(link, after).await {
                Ok(fetched) => return fetched,
                Err(error) => {
                    if let Some(left_out) = self.inner.shared.complaints.due("stream") {
                        tracing::warn!(connection = %link.id, left_out, error = &error as &dyn std::error::Error, "a stream waits for the engine");
                    }
                    self.inner.shared.clock.pause(REATTACH_DELAY).await;
                }
            }
        }
    }

    async fn try_page(&self, link: &Link, after: Cursor) -> Result<Fetched, EngineError> {
        let node = self.core().standpoint();
        let read = in_time(async {
            let read = self.inner.shared.history.read(self.engine(), node, after).await;
            Ok::<_, EngineError>(read)
        });
        let error = match read.await? {
            // The log is empty after this position although the window begins later, so the log has lost the records in
            // between.
            Ok(segment) if segment.is_empty() => return Ok(Err(Hole::Gap(GapReason::Diverged))),
            Ok(segment) => return Ok(Ok(segment)),
            Err(error) => error,
        };
        Ok(Err(match &*error {
            ReadError::Trimmed { base } => {
                let keys = self.core().routing_keys(link);
                let moved = in_time(self.engine().moved(&keys)).await?;
                let last = keys.into_iter().zip(moved).collect();
                let concern = Concern::Moved(after.seq, last);
                Hole::Skip(Skip { to: *base, reason: GapReason::Trimmed, concern })
            }
            ReadError::Damaged { through, keys } => {
                let keys = keys.as_ref().map(|keys| keys.iter().copied().collect());
                let concern = keys.map_or(Concern::All, Concern::Keys);
                Hole::Skip(Skip { to: *through, reason: GapReason::Damaged, concern })
            }
            ReadError::Forgotten => Hole::Gap(GapReason::Trimmed),
            ReadError::Diverged => Hole::Gap(GapReason::Diverged),
            ReadError::Epoch => Hole::Gap(GapReason::Epoch),
            ReadError::Unavailable(source) => return Err(EngineError(source.to_string().into())),
        }))
    }
}
