//! How long the engine is waited for.

use std::{future::Future, time::Duration};

use tokio::time::timeout;

use crate::engine::{EngineError, TAIL_BEAT};

/// How long to wait before the engine is asked again after it failed.
pub(super) const REATTACH_DELAY: Duration = Duration::from_millis(500);
/// A tail that has said nothing for so long is dead.
pub(super) const SILENCE: Duration = Duration::from_secs(5 * TAIL_BEAT.as_secs() / 2);
/// How long any question to the engine may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// The answer to a question, unless it takes too long.
pub(super) async fn in_time<T, E: From<EngineError>>(question: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match timeout(DEADLINE, question).await {
        Ok(answer) => answer,
        Err(elapsed) => Err(EngineError(elapsed.into()).into()),
    }
}
