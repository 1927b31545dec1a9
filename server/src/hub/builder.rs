//! Settings of a hub, and its start.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Notify, time::Instant};

use super::{
    ConnectionInfo, Hook, Hub, Inner, driver, follow,
    history::History,
    mounts::{self, Mounts},
    nodes::Nodes,
    shared::Shared,
};
use crate::{
    clock::Clock,
    complaints::Complaints,
    config::Config,
    engine::{Engine, EngineError, Memory},
    peers::{NodeId, Peers},
    presence::PresenceSettings,
};

/// Settings of a hub, from [`Hub::builder`].
#[derive(Default)]
#[must_use = "call build()"]
pub struct HubBuilder {
    config: Config,
    engine: Option<Arc<dyn Engine>>,
    /// Where it is not the engine's.
    peers: Option<Option<Arc<dyn Peers>>>,
    on_connect: Option<Hook>,
    on_disconnect: Option<Hook>,
}

impl Hub {
    /// Sets up a hub.
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }
}

impl HubBuilder {
    /// What stores and orders the records. Defaults to [`Memory`], which forgets with the process.
    pub fn engine(mut self, engine: impl Engine) -> Self {
        self.engine = Some(Arc::new(engine));
        self
    }

    /// How this hub reaches the others of its log; `None`: not at all, so that calls about a stream of another hub are answered as if it
    /// was not there (404), and the client opens another stream, with its channels in the URL. Presence, and subscriptions from a cursor of
    /// the past, need calls that arrive, so that without a way between hubs the balancer has to send a client to one hub. Defaults to the way that the [engine](Engine::peers) has.
    pub fn peers(mut self, peers: Option<Arc<dyn Peers>>) -> Self {
        self.peers = Some(peers);
        self
    }

    /// How long a stream may be silent before a heartbeat is written; at least 10 ms, and less is
    /// taken as that. Clients take a stream that is silent for 2.5 times as long for dead. Defaults to 15 s.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.config.heartbeat = interval.max(Duration::from_millis(10));
        self
    }

    /// How long something may be due for a stream without being asked for, before nobody counts as present by it and its place is free:
    /// a peer of HTTP/2 whose window stays shut, or a client of another server than `tidings::serve` that takes nothing. Looked at
    /// eight times in a [heartbeat](Self::heartbeat). Streams that `tidings::serve` has taken over have
    /// [`Serve::stall_timeout`](crate::Serve::stall_timeout). Defaults to 60 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.config.stall = timeout;
        self
    }

    /// The `retry:` that plain `EventSource` users are told. Defaults to 1 s. (The Tidings client owns its back-off.)
    pub fn retry(mut self, delay: Duration) -> Self {
        self.config.retry = delay;
        self
    }

    /// The largest payload of one event, in bytes of JSON. Defaults to 64 KiB.
    pub fn payload_bytes(mut self, bytes: usize) -> Self {
        self.config.payload_bytes = bytes;
        self
    }

    /// The most events published at once. Defaults to 1,000.
    pub fn batch_events(mut self, events: usize) -> Self {
        self.config.batch_events = events;
        self
    }

    /// The most users one event may be addressed to. Defaults to 10,000.
    pub fn audience_users(mut self, users: usize) -> Self {
        self.config.audience_users = users;
        self
    }

    /// The most channels that one stream may hold. Defaults to 100.
    pub fn channels_per_connection(mut self, channels: usize) -> Self {
        self.config.channels_per_connection = channels;
        self
    }

    /// The most records kept in memory to serve streams from. Defaults to 100,000.
    pub fn window_records(mut self, records: usize) -> Self {
        self.config.window_records = records;
        self
    }

    /// The most bytes of records kept in memory, with all that a record takes there and in the index. Defaults to 64 MiB.
    pub fn window_bytes(mut self, bytes: usize) -> Self {
        self.config.window_bytes = bytes;
        self
    }

    /// The greatest age of a record kept in memory, looked at when the next one arrives. Defaults to 10 minutes.
    pub fn window_age(mut self, age: Duration) -> Self {
        self.config.window_age = age;
        self
    }

    /// How long a publish waits for the engine before it is [`Unknown`](crate::PublishError::Unknown). Defaults to 15 s.
    pub fn publish_deadline(mut self, deadline: Duration) -> Self {
        self.config.publish_deadline = deadline;
        self
    }

    /// Switches presence on: who is online on each channel, for [`Hub::presence`] and for clients who may watch it
    /// ([`Auth::allow_presence`](crate::auth::Auth::allow_presence)). Defaults to off, for it costs each client a request every 30 s.
    pub fn presence(mut self, settings: PresenceSettings) -> Self {
        self.config.presence = Some(settings);
        self
    }

    /// How long credentials live at most: for so long a revocation refuses those issued before it. Defaults to 24 hours.
    pub fn revocation_life(mut self, life: Duration) -> Self {
        self.config.revocation_life = life;
        self
    }

    /// Called with each stream that was opened, after it is counted ([`Hub::is_online`]) and before its first byte. It runs on the
    /// task of the request, so it must not block: for what takes time, it spawns a task. Answers to polls are not streams.
    /// Defaults to nothing; set twice, the last one is called.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidings::Hub;
    /// let hub = Hub::builder()
    ///     .on_connect(|_, connection| println!("{:?} came", connection.user_id))
    ///     .on_disconnect(|hub, connection| {
    ///         let Some(user) = &connection.user_id else { return };
    ///         if hub.connection_count(user) == Ok(0) {
    ///             println!("that was the last stream of {user}");
    ///         }
    ///     })
    ///     .build()
    ///     .await?;
    /// # Ok(()) }
    /// ```
    pub fn on_connect(mut self, hook: impl Fn(&Hub, &ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.on_connect = Some(Arc::new(hook));
        self
    }

    /// Called with each stream that has ended, however it did, after it is counted no more: once for each call of
    /// [`on_connect`](Self::on_connect). A client that went away without a word has ended when that is noticed. What holds for
    /// `on_connect` holds here. Defaults to nothing.
    pub fn on_disconnect(mut self, hook: impl Fn(&Hub, &ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.on_disconnect = Some(Arc::new(hook));
        self
    }

    /// Starts the hub: fills the window from the engine's log and follows it from there. Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the engine cannot be read.
    pub async fn build(self) -> Result<Hub, EngineError> {
        let mut inner = self.start(Clock::Running(Instant::now())).await?;
        inner.tasks = driver::spawn(&inner.shared, &inner.engine, &inner.config);
        if let Some(peers) = &inner.peers {
            let joining = mounts::join(peers.clone(), inner.node, &inner.mounts);
            inner.tasks.extend(joining.await.map(|again| tokio::spawn(again).abort_handle()));
            inner.tasks.push(tokio::spawn(driver::beat(inner.shared.clone(), peers.clone())).abort_handle());
        }
        Ok(Hub { inner: Arc::new(inner) })
    }

    /// A hub without its tasks.
    pub(super) async fn start(self, clock: Clock) -> Result<Inner, EngineError> {
        let engine = self.engine.unwrap_or_else(|| Arc::new(Memory::default()));
        let node = NodeId(fastrand::u32(..));
        let shared = Shared {
            node,
            core: follow::prefilled(&*engine, &self.config).await?,
            clock,
            applied: Notify::new(),
            closed: Notify::new(),
            answered: Notify::new(),
            draining: false.into(),
            tail_heard_ms: 0.into(),
            stands_aside: false.into(),
            nodes: Nodes::default(),
            newcomer: Notify::new(),
            history: History::default(),
            complaints: Complaints::default(),
        };
        let peers = self.peers.unwrap_or_else(|| engine.peers());
        let (config, on_connect, on_disconnect) = (self.config, self.on_connect, self.on_disconnect);
        let (shared, tasks) = (Arc::new(shared), Vec::new());
        let mounts = Arc::new(Mounts::new(shared.clone()));
        Ok(Inner { config, engine, shared, node, mounts, peers, on_connect, on_disconnect, tasks })
    }
}
