//! A hub whose tasks are stepped by hand, so that a simulation decides what happens when. The core, the driver's steps,
//! the routes and the stream bodies are the real ones; only the tasks and the clock are not there.
//!
//! For the simulation of this repository, behind the feature `simulation`; not part of the stable interface.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::{FutureExt, StreamExt};

use super::{
    Hub, HubBuilder,
    driver::{self, Tail},
};
use crate::{clock::Clock, engine::EngineError};

/// A hub node, stepped by hand. Its engine must answer at once: a future that is not ready counts as a failure.
pub struct Node {
    hub: Hub,
    tail: Option<Tail>,
}

/// What came of [`Node::pull`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// So many records were applied.
    Records(usize),
    /// The tail has nothing now.
    Nothing,
    /// There is no tail, or it broke: [`Node::attach`] again.
    Detached,
}

impl Node {
    /// Starts a node: fills its window. It is not attached yet.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the engine fails.
    pub fn boot(builder: HubBuilder, now_ms: u64) -> Result<Self, EngineError> {
        let started = builder.start(Clock::Set(AtomicU64::new(now_ms))).now_or_never();
        let inner = started.unwrap_or_else(|| Err(EngineError("the engine did not answer at once".into())))?;
        Ok(Self { hub: Hub { inner: Arc::new(inner) }, tail: None })
    }

    /// The hub itself.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Attaches to the engine's tail, as the follower's task does at start and after every failure.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the engine fails.
    pub fn attach(&mut self) -> Result<(), EngineError> {
        let attached = driver::attach(self.hub.core(), &**self.hub.engine()).now_or_never();
        self.tail = None;
        self.tail = Some(attached.unwrap_or_else(|| Err(EngineError("the engine did not answer at once".into())))?);
        Ok(())
    }

    /// Applies the next batch of the tail, if there is one.
    pub fn pull(&mut self) -> Pulled {
        let Some(tail) = &mut self.tail else { return Pulled::Detached };
        match tail.next().now_or_never() {
            None => Pulled::Nothing,
            Some(Some(Ok(records))) => {
                self.hub.core().apply(&records);
                Pulled::Records(records.len())
            }
            Some(Some(Err(_)) | None) => {
                self.tail = None;
                Pulled::Detached
            }
        }
    }

    /// Wakes the connections for which something was applied.
    pub fn flush(&self) {
        self.hub.core().flush();
    }

    /// Sets the clock, and makes heartbeats due where nothing was written for `quiet_ms`.
    pub fn tick(&self, now_ms: u64, quiet_ms: u64) {
        match &self.hub.inner.shared.clock {
            Clock::Set(now) => now.store(now_ms, Ordering::Relaxed),
            Clock::Running(_) => {}
        }
        self.hub.core().tick(now_ms, quiet_ms);
    }
}
