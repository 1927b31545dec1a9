//! The hub as its user holds it, and the tasks that drive the core: one reads the engine's tail, one wakes connections,
//! one ticks.

mod builder;
mod driver;
mod follow;
mod history;
mod hooks;
mod mounts;
mod orders;
mod pace;
mod reader;
#[cfg(feature = "simulation")]
pub mod simulation;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

pub use builder::HubBuilder;
use bytes::Bytes;
pub use hooks::ConnectionInfo;
pub(crate) use hooks::Hook;
pub(crate) use reader::Reader;
use tidings_protocol::{
    ChannelError, ConnectionId, Cursor, DeviceId, IdError, Pattern, UserId,
    frame::{Closing, ClosingReason, Connected, GapReason, Member, RejectCode, Rejected},
    sse,
};
use tokio::sync::Notify;

use crate::{
    access::Channels,
    auth::Identity,
    clock::{Clock, millis, wall_clock_ms},
    complaints::Complaints,
    config::Config,
    connection::{Concern, Fetched, Hole, Names, Since, Skip},
    connection_limits::Permit,
    core::{Backfill, Core, Link, Opening, ShutOut, Start, SubscribeCall, Verdict},
    engine::{Engine, EngineError, Location, ReadError},
    http::forward::Mounted,
    meter::Stats,
    peers::{NodeId, Peers},
    presence::{PresenceError, PresenceWatch},
    record::json_frame,
};

use self::{history::History, mounts::Mounts};

/// The handle of a hub: publish through it, ask it who is online, mount it with [`routes`](crate::routes). Cloning it is
/// cheap, and all clones are one hub. Its tasks end when the last one is dropped.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::{Event, Hub};
///
/// let hub = Hub::builder().build().await?;
/// let receipt = hub.publish(Event::new("timer:u1", "started", "tea")?).await?;
/// assert!(!receipt.duplicate);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    engine: Arc<dyn Engine>,
    shared: Arc<Shared>,
    /// Names this node in connection ids.
    node: NodeId,
    /// What other nodes reach this one by; held, for they forget it when it is gone.
    mounts: Arc<Mounts>,
    peers: Option<Arc<dyn Peers>>,
    tasks: Vec<tokio::task::AbortHandle>,
}

/// What the hub and its tasks share.
struct Shared {
    core: Core,
    clock: Clock,
    /// Something was applied that nobody has been woken for.
    applied: Notify,
    /// A stream was closed; a drain waits for the last.
    closed: Notify,
    /// Somebody has answered a challenge.
    answered: Notify,
    draining: AtomicBool,
    /// When the engine's tail last yielded something, be it that there is nothing, in the clock's milliseconds.
    tail_heard_ms: AtomicU64,
    history: History,
    complaints: Complaints,
}

impl Shared {
    /// Ends all streams, and lets no more be opened.
    fn end_streams(&self) {
        self.draining.store(true, Ordering::Release);
        self.core.close_all(|_| draining());
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("head", &self.cursor()).finish_non_exhaustive()
    }
}

impl Hub {
    /// Sets up a hub.
    pub fn builder() -> HubBuilder {
        HubBuilder::default()
    }

    /// The last position that this node has: a server-rendered page takes it **first**, loads its data second, and passes
    /// it to the client as `since`, which then misses nothing that changed in between.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        self.core().head()
    }

    /// How many streams a user has open on this node.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is no user id.
    pub fn connection_count<U>(&self, user: U) -> Result<usize, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let (user, mut count) = (user.try_into()?, 0);
        self.core().of_user(user.as_str(), |_| count += 1);
        Ok(count)
    }

    /// The devices with which a user is online on this node, each once, sorted by id.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is no user id.
    pub fn devices_online<U>(&self, user: U) -> Result<Vec<DeviceId>, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        Ok(self.core().devices(user.try_into()?.as_str()))
    }

    /// Whether a user has a stream open on this node.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is no user id.
    pub fn is_online<U>(&self, user: U) -> Result<bool, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        Ok(self.connection_count(user)? > 0)
    }

    /// Whether a device of a user has a stream open on this node.
    ///
    /// # Errors
    ///
    /// [`IdError`] when a text is no user id, or no device id.
    pub fn is_device_online<U, D>(&self, user: U, device: D) -> Result<bool, IdError>
    where
        U: TryInto<UserId>,
        D: TryInto<DeviceId>,
        IdError: From<U::Error> + From<D::Error>,
    {
        let (user, device, mut online) = (user.try_into()?, device.try_into()?, false);
        self.core().of_user(user.as_str(), |link| online |= link.names.device.as_ref() == Some(&device));
        Ok(online)
    }

    /// Who is online on a channel, on this node: the users who have a stream open that is subscribed to it, by device and
    /// sorted. Of a pattern, who is on any channel in it; of `*`, everyone online, whatever they hear. Who has just left
    /// counts for the [grace period](crate::PresenceSettings::grace), and who was not heard of for too long does not.
    ///
    /// # Errors
    ///
    /// [`PresenceError`] when the text is no channel or pattern, or the hub was built without
    /// [`presence`](HubBuilder::presence).
    pub fn presence<P>(&self, channel: P) -> Result<Vec<Member>, PresenceError>
    where
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        let channel = channel.try_into().map_err(ChannelError::from)?;
        Ok(self.core().presence().ok_or(PresenceError::Off)?.here(&channel))
    }

    /// Who comes and goes on a channel or in a pattern, as [`presence`](Self::presence) says it; for the backend itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::StreamExt;
    /// use tidings::{Hub, PresenceChange, PresenceSettings};
    /// let hub = Hub::builder().presence(PresenceSettings::default()).build().await?;
    /// let mut watch = hub.watch_presence("*")?;
    /// assert_eq!(watch.next().await, Some(PresenceChange::Here(Vec::new())));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`presence`](Self::presence).
    pub fn watch_presence<P>(&self, channel: P) -> Result<PresenceWatch, PresenceError>
    where
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        PresenceWatch::new(self, channel.try_into().map_err(ChannelError::from)?)
    }

    /// The hub's figures right now, and what it has counted. Each call looks at every open stream.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.core().stats()
    }

    /// Whether the hub can do its work: the engine's tail is alive, which it proves every [2 s](crate::engine::TAIL_BEAT), and the hub neither
    /// [drains](Self::drain) nor has had to end its streams, because one of its tasks panicked by a fault of the engine or of
    /// this crate. For a health check: it is `false` 5 s after the tail fell silent, and `true` again once the tail is back.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let heard = self.inner.shared.tail_heard_ms.load(Ordering::Relaxed);
        !self.is_draining() && self.now_ms().saturating_sub(heard) <= millis(follow::SILENCE)
    }

    /// Shuts the hub down: new streams are refused with 503, every open one is told `closing {reason: drain}` with a delay
    /// spread over a second, so that the clients do not return all at once, and ends. Returns when the last one is gone, or
    /// at the deadline.
    pub async fn drain(&self, deadline: Duration) {
        let shared = &self.inner.shared;
        shared.end_streams();
        let all_gone = async {
            loop {
                let closed = shared.closed.notified();
                if self.core().connections() == 0 {
                    break;
                }
                closed.await;
            }
        };
        let _ = tokio::time::timeout(deadline, all_gone).await;
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    pub(crate) fn engine(&self) -> &Arc<dyn Engine> {
        &self.inner.engine
    }

    pub(crate) fn core(&self) -> &Core {
        &self.inner.shared.core
    }

    /// Names this node in the texts that it makes.
    pub(crate) fn node(&self) -> u32 {
        self.inner.node.0
    }

    /// The name under which other nodes reach this one.
    pub(crate) fn node_id(&self) -> NodeId {
        self.inner.node
    }

    /// The way to the other nodes of the log, where there is one.
    pub(crate) fn peers(&self) -> Option<&Arc<dyn Peers>> {
        self.inner.peers.as_ref()
    }

    /// Lets other nodes call these routes; which of the hub's mountings they are.
    pub(crate) fn mount(&self, mounted: &Arc<Mounted>) -> usize {
        self.inner.mounts.add(mounted)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.inner.shared.clock.now_ms()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.inner.shared.draining.load(Ordering::Acquire)
    }

    /// Judges clients' cursors, asking the engine once about all of which the window cannot tell.
    async fn judge(&self, cursors: &[Cursor]) -> Result<Vec<Verdict>, EngineError> {
        let mut verdicts: Vec<_> = cursors.iter().map(|cursor| self.core().judge(*cursor)).collect();
        let mut asked: Vec<_> = Vec::new();
        for (cursor, verdict) in cursors.iter().zip(&verdicts) {
            if *verdict == Verdict::AskEngine && !asked.contains(cursor) {
                asked.push(*cursor);
            }
        }
        if !asked.is_empty() {
            let locations = follow::in_time(self.engine().locate(&asked)).await?;
            for (cursor, verdict) in cursors.iter().zip(&mut verdicts) {
                if let Some(index) =
                    asked.iter().position(|asked| asked == cursor).filter(|_| *verdict == Verdict::AskEngine)
                {
                    let location = locations.get(index).copied().unwrap_or(Location::Forgotten);
                    *verdict = self.core().judge_by_engine(*cursor, location);
                }
            }
        }
        Ok(verdicts)
    }

    /// What the engine's log holds after a position that lies before the window, for a stream. It waits while the engine cannot be
    /// asked: the stream stays open meanwhile.
    pub(crate) async fn page(&self, link: &Link, after: Cursor) -> Fetched {
        loop {
            match self.try_page(link, after).await {
                Ok(fetched) => return fetched,
                Err(error) => {
                    if let Some(left_out) = self.inner.shared.complaints.due("stream") {
                        tracing::warn!(connection = %link.id, left_out, error = &error as &dyn std::error::Error, "a stream waits for the engine");
                    }
                    self.inner.shared.clock.pause(follow::REATTACH_DELAY).await;
                }
            }
        }
    }

    async fn try_page(&self, link: &Link, after: Cursor) -> Result<Fetched, EngineError> {
        let node = self.core().standpoint();
        let read = follow::in_time(async {
            let read = self.inner.shared.history.read(self.engine(), node, after).await;
            Ok::<_, EngineError>(read)
        });
        let error = match read.await? {
            // The window begins further on, so the log has lost what lay before that.
            Ok(segment) if segment.is_empty() => return Ok(Err(Hole::Gap(GapReason::Diverged))),
            Ok(segment) => return Ok(Ok(segment)),
            Err(error) => error,
        };
        Ok(Err(match &*error {
            ReadError::Trimmed { base } => {
                let keys = self.core().routing_keys(link);
                let moved = follow::in_time(self.engine().moved(&keys)).await?;
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

    /// Where a stream starts that brings these cursors: the one to go on from, and what else was seen.
    pub(crate) async fn start(&self, resume: Resume) -> Result<Start, EngineError> {
        let (cursor, seen) = match resume {
            Resume::None => return Ok(Start::Head),
            Resume::Malformed => return Ok(Start::Gap(GapReason::Malformed)),
            Resume::From { cursor, seen } => (cursor, seen),
        };
        let lineage = self.core().lineage();
        let mut late = Vec::new();
        // What was seen counts only where it says more than the cursor: it is further on, or of another history.
        let seen = seen.into_iter().filter(|seen| seen.epoch != cursor.epoch || seen.seq >= cursor.seq);
        let cursors: Vec<_> = std::iter::once(cursor).chain(seen).collect();
        for (cursor, verdict) in cursors.iter().zip(self.judge(&cursors).await?) {
            match verdict {
                Verdict::Late => late.push(*cursor),
                Verdict::Gap(reason) => return Ok(Start::Gap(reason)),
                Verdict::Good | Verdict::AskEngine => {}
            }
        }
        Ok(Start::Resume { cursor, late, lineage })
    }

    /// Whether and from where a subscribe call's `since` can be served.
    pub(crate) async fn backfill(&self, since: Option<Cursor>) -> Result<Backfill, EngineError> {
        let lineage = self.core().lineage();
        let since = match since {
            None => Since::Now,
            Some(cursor) => match self.judge(&[cursor]).await?.first() {
                Some(Verdict::Gap(reason)) => Since::Gap(*reason),
                _ => Since::After(cursor),
            },
        };
        Ok(Backfill { since, lineage })
    }

    /// The past that cannot be brought, for this reason.
    pub(crate) fn no_backfill(&self, reason: GapReason) -> Backfill {
        Backfill { since: Since::Gap(reason), lineage: self.core().lineage() }
    }

    /// Opens a stream for somebody, whose grants were asked about the channels; others are rejected already.
    pub(crate) fn open(
        &self,
        identity: &Identity,
        names: Names,
        channels: Channels,
        rejected: Vec<Rejected>,
        start: Start,
        permit: Permit,
    ) -> Arc<Link> {
        let expires_in = identity.expires_in();
        let id = self.connection_id();
        let mut connected = Connected {
            connection_id: id.clone(),
            user_id: names.user.clone(),
            device_id: names.device.clone(),
            channels: Vec::new(),
            rejected,
            addressed: names.user.is_some(),
            resumed: false,
            heartbeat_ms: millis(self.config().heartbeat),
            expires_in: expires_in.map(|left| left.as_secs()),
            alive_ms: self.core().presence().map(|presence| presence.alive_ms),
            timestamp: tidings_protocol::event::Timestamp(wall_clock_ms()),
        };
        let retry_ms = millis(self.config().retry);
        let opening = Opening {
            id,
            names,
            channels,
            limit: self.config().channels_per_connection,
            issued: identity.issued_ms(),
            start,
            permit: Some(permit),
            is_bare: false,
        };
        let link = self.core().open(opening, self.now_ms(), |greeting| {
            connected.resumed = greeting.resumed;
            connected.channels = greeting.channels.to_vec();
            connected.rejected.extend(not_subscribed(greeting.refused, greeting.beyond));
            let id = greeting.id;
            let mut greeting = String::new();
            sse::retry(&mut greeting, retry_ms);
            // In one block: in a block of its own some clients take the time for an empty message.
            let connected = json_frame(Some(Connected::NAME), id.as_ref(), &connected);
            [greeting.as_bytes(), &connected].concat().into()
        });
        link.expire_at(self.moment(expires_in));
        link.trace(self.core().connections(), "connection registered");
        // A drain that began meanwhile did not see this stream.
        if self.is_draining() {
            self.core().close_all(|_| draining());
        }
        self.call(self.config().on_connect.as_ref(), &link);
        link
    }

    /// Opens a stream for the backend itself, from the head on.
    pub(crate) fn open_listener(&self, channels: Pattern) -> Arc<Link> {
        let channels = Channels { granted: vec![channels], by_server: Vec::new() };
        let identity = Identity::anonymous();
        let link = self.open_bare(&identity, Names::default(), channels, Start::Head, None, |_, _| {});
        link.trace(self.core().connections(), "listener registered");
        link
    }

    /// Opens a stream without a greeting.
    fn open_bare(
        &self,
        identity: &Identity,
        names: Names,
        channels: Channels,
        start: Start,
        permit: Option<Permit>,
        refused: impl FnOnce(&[Pattern], &[Pattern]),
    ) -> Arc<Link> {
        let (id, issued) = (self.connection_id(), identity.issued_ms());
        let limit = self.config().channels_per_connection;
        let opening = Opening { id, names, channels, limit, issued, start, permit, is_bare: true };
        let link = self.core().open(opening, self.now_ms(), |greeting| {
            refused(greeting.refused, greeting.beyond);
            Bytes::new()
        });
        link.expire_at(self.moment(identity.expires_in()));
        if self.is_draining() {
            self.core().close_all(|_| draining());
        }
        link
    }

    /// Opens a stream for one poll, as [`open`](Self::open); returns with it what it does not receive of its channels.
    pub(crate) fn open_poll(
        &self,
        identity: &Identity,
        names: Names,
        channels: Channels,
        start: Start,
        permit: Permit,
    ) -> (Arc<Link>, Vec<Rejected>) {
        let mut rejected = Vec::new();
        let refuse = |refused: &[Pattern], beyond: &[Pattern]| rejected.extend(not_subscribed(refused, beyond));
        let link = self.open_bare(identity, names, channels, start, Some(permit), refuse);
        (link, rejected)
    }

    /// A name that nobody guesses.
    fn connection_id(&self) -> ConnectionId {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).expect("the system's random source");
        let id = format!("{:08x}.{:032x}", self.inner.node.0, u128::from_le_bytes(random));
        ConnectionId::new(id).expect("hexadecimal digits and a dot are visible ASCII")
    }

    /// Waits for so long, by the driver's time.
    pub(crate) async fn pause(&self, time: Duration) {
        self.inner.shared.clock.pause(time).await;
    }

    /// The moment after this time, in the driver's milliseconds.
    pub(crate) fn moment(&self, left: Option<Duration>) -> Option<u64> {
        left.map(|left| self.now_ms().saturating_add(millis(left)))
    }

    /// Ends a stream no later than after this time, because it has been given something by credentials that end then.
    pub(crate) fn expire_by(&self, link: &Link, left: Option<Duration>) {
        if let Some(moment) = self.moment(left) {
            link.expire_by(moment);
        }
    }

    /// The client of a stream has been heard of.
    pub(crate) fn heard(&self, link: &Link) {
        if self.core().hear(link, self.now_ms()) {
            self.inner.shared.answered.notify_waiters();
        }
    }

    /// Asks whether somebody reads these streams, and ends those that do not answer in time. Returns as soon as one of them is gone, or
    /// all have answered.
    pub(crate) async fn challenge(&self, links: &[Arc<Link>], patience: Duration) {
        links.iter().for_each(|link| self.core().challenge(link));
        let shared = &self.inner.shared;
        let over = tokio::time::sleep(patience);
        tokio::pin!(over);
        loop {
            // Registered before it is looked.
            let (answered, closed) = (shared.answered.notified(), shared.closed.notified());
            let waits = links.iter().any(|link| link.is_challenged());
            if !waits || links.iter().any(|link| !self.core().is_open(link)) {
                return;
            }
            tokio::select! {
                () = answered => {}
                () = closed => {}
                () = &mut over => break,
            }
        }
        for link in links.iter().filter(|link| link.is_challenged()) {
            link.trace(self.core().connections(), "nobody reads this connection; it ends");
            self.core().end_unanswered(link);
        }
    }

    /// Forgets a stream.
    pub(crate) fn close(&self, link: &Arc<Link>) {
        self.core().unseat(link, self.now_ms());
        self.core().close(link);
        self.inner.shared.closed.notify_waiters();
        link.trace(self.core().connections(), "connection unregistered");
        self.call(self.config().on_disconnect.as_ref(), link);
    }

    /// Stops channels on a live stream.
    pub(crate) fn unsubscribe_stream(&self, link: &Link, channels: &[Pattern]) {
        tracing::debug!(connection = %link.id, ?channels, "unsubscribe");
        self.core().unsubscribe(link, channels);
    }

    /// Asks for channels and addressed events on a live stream, for somebody whose grants were asked about them; returns the channels
    /// that are refused, and whether addressed events were asked for in vain.
    pub(crate) fn subscribe_stream(
        &self,
        identity: &Identity,
        link: &Arc<Link>,
        call: SubscribeCall,
    ) -> Result<(Vec<Rejected>, bool), ShutOut> {
        let channels: Vec<_> = call.channels.all().collect();
        tracing::debug!(connection = %link.id, ?channels, addressed = call.addressed, "subscribe");
        let limit = self.config().channels_per_connection;
        let not = self.core().subscribe(link, call, identity.issued_ms(), limit)?;
        Ok((not_subscribed(&not.refused, &not.beyond).collect(), not.addressed))
    }
}

/// What is rejected, because there is no right to it, or no room for it.
fn not_subscribed(refused: &[Pattern], beyond: &[Pattern]) -> impl Iterator<Item = Rejected> {
    let rejected = |code| move |channel: &Pattern| Rejected { channel: channel.clone(), code };
    let beyond = beyond.iter().map(rejected(RejectCode::TooManyChannels));
    refused.iter().map(rejected(RejectCode::Forbidden)).chain(beyond)
}

/// The last frame of a stream that is drained. Its delay is spread, so that the clients do not return all at once.
fn draining() -> Closing {
    Closing { reason: ClosingReason::Drain, retry_ms: fastrand::u64(..1_000) }
}

impl Link {
    fn trace(&self, connections: usize, what: &'static str) {
        let user = self.names.user.as_ref().map(UserId::as_str);
        let device = self.names.device.as_ref().map(DeviceId::as_str);
        tracing::info!(connection = %self.id, user, device, connections, "{what}");
    }
}

/// What a client says of where it left off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It is new.
    None,
    /// It said something that is no cursor.
    Malformed,
    /// It goes on from `cursor`; the highest position it has seen may be further on. Tabs that share a stream may have seen
    /// several, of which no two vouch for each other.
    From { cursor: Cursor, seen: Vec<Cursor> },
}
