//! A hub whose tasks are stepped by hand, so that a simulation decides what happens when. The core, the driver's steps,
//! the routes and the stream bodies are the real ones; only the tasks and the clock are replaced.
//!
//! It serves the simulation of this repository, behind the feature `simulation`, and is not part of the stable
//! interface.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Wake, Waker},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use tokio::sync::Notify;

use super::{
    Hub, HubBuilder, driver,
    follow::{self, Taken},
    mounts,
    patience::SILENCE,
    presence_follow,
};
use crate::{
    clock::{Clock, millis},
    core::Core,
    engine::{Batch, EngineError, ReadError, Tail},
    peers::NodeId,
};

/// How often a node may have to skip ahead while it attaches.
const ATTEMPTS: usize = 8;

/// A hub node, stepped by hand. Its engine must answer at once: a future that is not ready counts as a failure.
pub struct Node {
    hub: Hub,
    tail: Option<Tail>,
    /// The tasks that announce who comes and leaves; none where presence is off.
    announcing: Vec<Task>,
    /// The tasks that ask each node who is at its streams.
    followed: BTreeMap<NodeId, Task>,
}

/// A task of the hub, which runs where it has been woken and somebody steps it.
struct Task {
    future: BoxFuture<'static, ()>,
    woken: Arc<Woken>,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { future: future.boxed(), woken: Arc::new(Woken(AtomicBool::new(true))) }
    }

    /// Returns whether there was anything to do.
    fn step(&mut self) -> bool {
        if !self.woken.0.swap(false, Ordering::Relaxed) {
            return false;
        }
        // The hub's tasks do not end.
        let _ = self.future.poll_unpin(&mut Context::from_waker(&Waker::from(self.woken.clone())));
        true
    }
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
        let shared = &inner.shared;
        let mut announcing = Vec::new();
        if shared.core.presence().is_some() {
            announcing.push(Task::new(driver::announce(shared.clone(), Core::presence)));
        }
        if shared.core.cluster_presence().is_some() {
            announcing.push(Task::new(driver::announce(shared.clone(), Core::cluster_presence)));
        }
        let hub = Hub { inner: Arc::new(inner) };
        Ok(Self { hub, tail: None, announcing, followed: BTreeMap::new() })
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

    /// Looks which nodes are there, and asks no longer those that are gone who is at their streams.
    pub fn look(&mut self) {
        let Some(peers) = self.hub.peers() else { return };
        let shared = &self.hub.inner.shared;
        let start = |node| Task::new(presence_follow::follow_one(shared.clone(), peers.clone(), node));
        let _ = presence_follow::look(shared, &mut self.followed, start);
    }

    /// Runs the tasks of presence that have been woken, each for one step. Returns whether there were any.
    pub fn step_presence(&mut self) -> bool {
        let tasks = self.announcing.iter_mut().chain(self.followed.values_mut());
        tasks.fold(false, |stepped, task| task.step() | stepped)
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
