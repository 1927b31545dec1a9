//! How long the hub waits for the engine.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::engine::{EngineError, TAIL_BEAT};

/// The delay before the engine is asked again after a failure.
pub(super) const REATTACH_DELAY: Duration = Duration::from_millis(500);
/// A tail that has yielded nothing for this long is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(5 * TAIL_BEAT.as_secs() / 2);
/// How long one call to the engine may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The answer to a call, unless it takes too long.
pub(super) async fn in_time<T, E: From<EngineError>>(question: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match timeout(DEADLINE, question).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(EngineError(elapsed.into()).into()),
    }
}
