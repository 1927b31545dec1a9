//! A hub whose tasks are stepped by hand, so that a simulation decides what happens when. The core, the driver's steps,
//! the routes and the stream bodies are the real ones; only the tasks and the clock are replaced.
//!
//! It serves the simulation of this repository, behind the feature `simulation`, and is not part of the stable
//! interface.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use futures_util::{FutureExt, StreamExt};
use tokio::sync::Notify;

use super::{
    Hub, HubBuilder, driver,
    follow::{self, Taken},
    mounts,
    patience::SILENCE,
};
use crate::{
    clock::{Clock, millis},
    engine::{Batch, EngineError, ReadError, Tail},
    peers::NodeId,
};

/// How often a node may have to skip ahead while it attaches.
const ATTEMPTS: usize = 8;

/// A hub node, stepped by hand. Its engine must answer at once: a future that is not ready counts as a failure.
pub struct Node {
    hub: Hub,
    tail: Option<Tail>,
}

/// The result of [`Node::pull`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// This many records were applied.
    Records(usize),
    /// The tail has nothing now.
    Nothing,
    /// There is no tail, or it broke: call [`Node::attach`] again.
    Detached,
}

impl Node {
    /// Starts a node: fills its window, and joins the other nodes where the hub reaches them. The node is not attached yet.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the engine fails.
    pub fn boot(builder: HubBuilder, now_ms: u64) -> Result<Self, EngineError> {
        let started = builder.start(Clock::Set(AtomicU64::new(now_ms), Notify::new())).now_or_never();
        let inner = started.unwrap_or_else(|| Err(EngineError("the engine did not answer at once".into())))?;
        inner.shared.hear_tail();
        if let Some(peers) = &inner.peers {
            // Whoever cannot join is asked nothing by others; the simulation's way lets everybody.
            let _ = mounts::join(peers.clone(), inner.node, &inner.mounts).now_or_never();
        }
        Ok(Self { hub: Hub { inner: Arc::new(inner) }, tail: None })
    }

    /// The hub of this node.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The name under which other nodes reach this one.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.hub.node_id()
    }

    /// Whether the engine's tail is alive.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.hub.inner.shared.is_following()
    }

    /// Whether the node opens no streams, because it drains, or because it has sent its clients to a node where the log goes on.
    #[must_use]
    pub fn refuses_streams(&self) -> bool {
        self.hub.is_draining()
    }

    /// Drops a tail that has yielded nothing for as long as the follower's task waits for it, and returns whether it did;
    /// [`attach`](Self::attach) again.
    pub fn give_up_silent_tail(&mut self) -> bool {
        let heard = self.hub.inner.shared.tail_heard_ms.load(Ordering::Relaxed);
        self.hub.now_ms().saturating_sub(heard) > millis(SILENCE) && self.tail.take().is_some()
    }

    /// Runs one step of the task that sends beats to the other nodes, and that ends the streams where the tail stands still here and the
    /// log goes on elsewhere.
    pub fn beat(&self) {
        if let Some(peers) = self.hub.peers() {
            let _ = driver::beat_once(&self.hub.inner.shared, &**peers).now_or_never();
        }
    }

    /// Attaches to the engine's tail, as the follower's task does at start and after every failure, and takes the
    /// tail's first batch, by which the engine says whether the node still is in its log.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the engine fails.
    pub fn attach(&mut self) -> Result<(), EngineError> {
        self.tail = None;
        // A node that had to skip ahead attaches again, and there may be more than one reason to skip.
        for _ in 0..ATTEMPTS {
            let mut tail = self.hub.engine().tail(self.hub.core().head());
            let first = tail.next().now_or_never();
            match first.map_or(Taken::Applied(0), |item| self.take(item)) {
                Taken::Applied(_) => {
                    self.tail = Some(tail);
                    return Ok(());
                }
                Taken::Moved => {}
                Taken::Broken => break,
            }
        }
        Err(EngineError("the tail broke".into()))
    }

    /// Applies the next batch of the tail, if there is one.
    pub fn pull(&mut self) -> Pulled {
        let Some(tail) = &mut self.tail else { return Pulled::Detached };
        let Some(item) = tail.next().now_or_never() else { return Pulled::Nothing };
        match self.take(item) {
            Taken::Applied(0) => Pulled::Nothing,
            Taken::Applied(records) => Pulled::Records(records),
            Taken::Moved | Taken::Broken => {
                self.tail = None;
                Pulled::Detached
            }
        }
    }

    fn take(&self, item: Option<Result<Batch, ReadError>>) -> Taken {
        let shared = &self.hub.inner.shared;
        let taken = follow::take(&shared.core, &**self.hub.engine(), &shared.complaints, item).now_or_never();
        let taken = taken.unwrap_or(Taken::Broken);
        if let Taken::Applied(_) = taken {
            shared.hear_tail();
        }
        taken
    }

    /// Wakes the connections for which records were applied.
    pub fn flush(&self) {
        self.hub.core().flush();
    }

    /// Sets the clock, and makes heartbeats due on streams that wrote nothing for `quiet_ms`.
    pub fn tick(&self, now_ms: u64, quiet_ms: u64) {
        match &self.hub.inner.shared.clock {
            Clock::Set(now, moved) => {
                now.store(now_ms, Ordering::Relaxed);
                moved.notify_waiters();
            }
            Clock::Running(_) => {}
        }
        self.hub.core().tick(now_ms, quiet_ms);
    }
}
