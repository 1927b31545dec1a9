//! The settings of a hub, and its start.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use super::{
    ConnectionInfo, Hook, Hub, Inner, driver, follow,
    history::History,
    mounts::{self, Mounts},
    nodes::Nodes,
    presence_feed::Feeds,
    shared::Shared,
};
use crate::{
    clock::Clock,
    complaints::Complaints,
    config::Config,
    engine::{Engine, EngineError, Memory},
    peers::{NodeId, Peers},
    presence::{Presence, PresenceSettings},
};

/// The settings of a hub, from [`Hub::builder`]. Each has a default.
#[derive(Default)]
#[must_use = "call build()"]
pub struct HubBuilder {
    config: Config,
    engine: Option<Arc<dyn Engine>>,
    /// The transport between hubs, where the application set one; the outer `None` means the engine's.
    peers: Option<Option<Arc<dyn Peers>>>,
    on_connect: Option<Hook>,
    on_disconnect: Option<Hook>,
}

impl Hub {
    /// A builder with the default settings.
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }
}

impl HubBuilder {
    /// The engine that stores and orders the records. Defaults to [`Memory`], whose log is lost when the process ends.
    pub fn engine(mut self, engine: impl Engine) -> Self {
        self.engine = Some(Arc::new(engine));
        self
    }

    /// The transport by which this hub reaches the other hubs of its log. With `None`, a call about a stream of another
    /// hub is answered with 404, and the client opens a new stream, with its channels in the URL. Presence, and
    /// subscriptions with a past cursor as `since`, need such calls to arrive, so without a transport the balancer has
    /// to send each client to one hub. Defaults to the transport of the [engine](Engine::peers).
    pub fn peers(mut self, peers: Option<Arc<dyn Peers>>) -> Self {
        self.peers = Some(peers);
        self
    }

    /// How long a stream may be silent before the hub writes a heartbeat. Values below 10 ms are raised to 10 ms. A
    /// client treats a stream as dead after 2.5 times this interval. Defaults to 15 s.
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.config.heartbeat = interval.max(Duration::from_millis(10));
        self
    }

    /// How long data may be due for a stream without the client taking any of it. After that the stream no longer
    /// counts for presence and its place is free. This ends streams of an HTTP/2 peer whose window stays shut, and of a
    /// client that does not read, under another server than `tidings::serve`. The hub looks eight times per
    /// [heartbeat](Self::heartbeat). For streams that `tidings::serve` has taken over,
    /// [`Serve::stall_timeout`](crate::Serve::stall_timeout) applies instead. Defaults to 60 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.config.stall = timeout;
        self
    }

    /// The reconnect delay (`retry:`) sent to plain `EventSource` clients. Defaults to 1 s. The Tidings client ignores
    /// it and uses its own back-off.
    pub fn retry(mut self, delay: Duration) -> Self {
        self.config.retry = delay;
        self
    }

    /// The largest payload of one event, in bytes of JSON. Defaults to 64 KiB.
    pub fn payload_bytes(mut self, bytes: usize) -> Self {
        self.config.payload_bytes = bytes;
        self
    }

    /// The most events that one call may publish. Defaults to 1,000.
    pub fn batch_events(mut self, events: usize) -> Self {
        self.config.batch_events = events;
        self
    }

    /// The most users that one event may be addressed to. Defaults to 10,000.
    pub fn audience_users(mut self, users: usize) -> Self {
        self.config.audience_users = users;
        self
    }

    /// The most channels that one stream may carry. Defaults to 100.
    pub fn channels_per_connection(mut self, channels: usize) -> Self {
        self.config.channels_per_connection = channels;
        self
    }

    /// The most records that the window keeps in memory. Defaults to 100,000.
    pub fn window_records(mut self, records: usize) -> Self {
        self.config.window_records = records;
        self
    }

    /// The most bytes that the window keeps in memory, counting everything that a record takes there and in the index.
    /// Defaults to 64 MiB.
    pub fn window_bytes(mut self, bytes: usize) -> Self {
        self.config.window_bytes = bytes;
        self
    }

    /// The greatest age of a record in the window, checked when the next record arrives. Defaults to 10 minutes.
    pub fn window_age(mut self, age: Duration) -> Self {
        self.config.window_age = age;
        self
    }

    /// How long a publish waits for the engine before it fails as [`Unknown`](crate::PublishError::Unknown). Defaults
    /// to 15 s.
    pub fn publish_deadline(mut self, deadline: Duration) -> Self {
        self.config.publish_deadline = deadline;
        self
    }

    /// Switches presence on, that is, who is online on each channel: for [`Hub::presence`], and for clients that may
    /// watch it ([`Auth::allow_presence`](crate::auth::Auth::allow_presence)). Defaults to off, because presence costs
    /// each client one request every 30 s.
    pub fn presence(mut self, settings: PresenceSettings) -> Self {
        self.config.presence = Some(settings);
        self
    }

    /// The longest life of credentials. A revocation refuses credentials issued before it for this long, and is then
    /// forgotten. Defaults to 24 hours.
    pub fn revocation_life(mut self, life: Duration) -> Self {
        self.config.revocation_life = life;
        self
    }

    /// A callback for each stream that was opened. The hub calls it after the stream is counted ([`Hub::is_online`])
    /// and before its first byte, on the task of the request, so it must not block; spawn a task for slow work. A poll
    /// is not a stream and does not call it. Defaults to none; if set twice, only the last callback is called.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidings::Hub;
    /// let hub = Hub::builder()
    ///     .on_connect(|_, connection| println!("{:?} came", connection.user_id))
    ///     .on_disconnect(|hub, connection| {
    ///         let Some(user) = &connection.user_id else { return };
    ///         if hub.connection_count(user) == Ok(0) {
    ///             println!("the last stream of {user} has ended");
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

    /// A callback for each stream that has ended, for whatever reason. The hub calls it once per call of
    /// [`on_connect`](Self::on_connect), after the stream is no longer counted. A stream whose client vanished ends
    /// when the hub notices that. The rules of `on_connect` apply. Defaults to none.
    pub fn on_disconnect(mut self, hook: impl Fn(&Hub, &ConnectionInfo) + Send + Sync + 'static) -> Self {
        self.on_disconnect = Some(Arc::new(hook));
        self
    }

    /// Starts the hub: fills the window from the engine's log and follows the log from there. Call it inside a tokio
    /// runtime.
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
            inner.tasks.extend(driver::spawn_between_nodes(&inner.shared, peers));
        }
        Ok(Hub { inner: Arc::new(inner) })
    }

    /// Starts a hub without its tasks.
    pub(super) async fn start(self, clock: Clock) -> Result<Inner, EngineError> {
        let engine = self.engine.unwrap_or_else(|| Arc::new(Memory::default()));
        let node = NodeId(fastrand::u32(..));
        let peers = self.peers.unwrap_or_else(|| engine.peers());
        let settings = self.config.presence.filter(|_| peers.is_some());
        let core = follow::prefilled(&*engine, &self.config).await?;
        let shared = Shared {
            node,
            core: core.with_cluster_presence(settings.map(|settings| Presence::of_cluster(settings, node))),
            clock,
            applied: Notify::new(),
            closed: Notify::new(),
            answered: Notify::new(),
            draining: false.into(),
            tail_heard_ms: 0.into(),
            stands_aside: false.into(),
            nodes: Nodes::default(),
            newcomer: Notify::new(),
            joined: Notify::new(),
            feeds: Feeds::default(),
            watched: watch::Sender::new(0),
            history: History::default(),
            complaints: Complaints::default(),
        };
        let (config, on_connect, on_disconnect) = (self.config, self.on_connect, self.on_disconnect);
        let (shared, tasks) = (Arc::new(shared), Vec::new());
        let mounts = Arc::new(Mounts::new(shared.clone()));
        Ok(Inner { config, engine, shared, node, mounts, peers, on_connect, on_disconnect, tasks })
    }
}
