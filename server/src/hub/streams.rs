//! Opening and closing streams, and the calls about one stream.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tidings_protocol::{
    ConnectionId, DeviceId, Pattern, UserId,
    frame::{Connected, RejectCode, Rejected},
    sse,
};

use super::{ConnectionInfo, Hook, Hub, shared::draining};
use crate::{
    access::Channels,
    auth::Identity,
    clock::{millis, wall_clock_ms},
    connection::Names,
    connection_limits::Permit,
    core::{Link, Opening, ShutOut, Start, SubscribeCall},
    record::json_frame,
};

impl Hub {
    /// Opens a stream. The caller's grants were already asked about the channels; channels without a grant were
    /// rejected.
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
            // `retry:` stands in the same SSE block as `connected`: some clients take a block of its own for an empty
            // message.
            let connected = json_frame(Some(Connected::NAME), id.as_ref(), &connected);
            [greeting.as_bytes(), &connected].concat().into()
        });
        link.expire_at(self.moment(expires_in));
        link.trace(self, "connection registered");
        // A drain that began meanwhile did not see this stream.
        if self.is_draining() {
            self.core().close_all(|_| draining());
        }
        self.call(self.inner.on_connect.as_ref(), &link);
        link
    }

    /// Opens a stream for the backend itself, starting at the head.
    pub(crate) fn open_listener(&self, channels: Pattern) -> Arc<Link> {
        let channels = Channels { granted: vec![channels], by_server: Vec::new() };
        let identity = Identity::anonymous();
        let link = self.open_bare(&identity, Names::default(), channels, Start::Head, None, |_, _| {});
        link.trace(self, "listener registered");
        link
    }

    /// Opens a stream without a `connected` frame.
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

    /// Opens a stream for one poll, like [`open`](Self::open). Returns the stream, and the channels that it does not
    /// receive.
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

    /// A new connection id, with 128 random bits.
    fn connection_id(&self) -> ConnectionId {
        let mut random = [0_u8; 16];
        getrandom::fill(&mut random).expect("the system's random source");
        let mut id = String::with_capacity(41);
        hexadecimal(&mut id, &self.inner.node.0.to_be_bytes());
        id.push('.');
        hexadecimal(&mut id, &random);
        ConnectionId::new(id).expect("hexadecimal digits and a dot are visible ASCII")
    }

    /// Waits for this long, by the driver's clock.
    pub(crate) async fn pause(&self, time: Duration) {
        self.inner.shared.clock.pause(time).await;
    }

    /// The moment when this much time has passed, in the driver's milliseconds.
    pub(crate) fn moment(&self, left: Option<Duration>) -> Option<u64> {
        left.map(|left| self.now_ms().saturating_add(millis(left)))
    }

    /// Ends a stream at the latest when this much time has passed, because it carries channels that rest on credentials
    /// which expire then.
    pub(crate) fn expire_by(&self, link: &Link, left: Option<Duration>) {
        if let Some(moment) = self.moment(left) {
            link.expire_by(moment);
        }
    }

    /// Records that the client of a stream has sent a call.
    pub(crate) fn heard(&self, link: &Link) {
        if self.core().hear(link, self.now_ms()) {
            self.inner.shared.answered.notify_waiters();
        }
    }

    /// Asks the clients of these streams whether they still read them, and ends the streams that do not answer in time.
    /// Returns as soon as one of the streams is gone, or all have answered.
    pub(crate) async fn challenge(&self, links: &[Arc<Link>], patience: Duration) {
        links.iter().for_each(|link| self.core().challenge(link));
        let shared = &self.inner.shared;
        let over = tokio::time::sleep(patience);
        tokio::pin!(over);
        loop {
            // The notifications are registered before the streams are looked at, so that no answer is missed.
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
            link.trace(self, "connection ended: its client did not answer a challenge");
            self.core().end_unanswered(link);
        }
    }

    /// Removes a stream from the hub.
    pub(crate) fn close(&self, link: &Arc<Link>) {
        self.core().unseat(link, self.now_ms());
        self.core().close(link);
        self.inner.shared.closed.notify_waiters();
        link.trace(self, "connection unregistered");
        self.call(self.inner.on_disconnect.as_ref(), link);
    }

    /// Unsubscribes channels on a live stream.
    pub(crate) fn unsubscribe_stream(&self, link: &Link, channels: &[Pattern]) {
        tracing::debug!(connection = %link.id, ?channels, "unsubscribe");
        self.core().unsubscribe(link, channels);
    }

    /// Subscribes channels and addressed events on a live stream. The caller's grants were already asked about them.
    /// Returns the rejected channels, and whether addressed events were refused.
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

    /// Calls an application's callback. No lock is held, so the callback may use the hub; a panic in it ends no stream.
    fn call(&self, hook: Option<&Hook>, link: &Link) {
        let Some(hook) = hook.filter(|_| link.has_hooks) else { return };
        let info = ConnectionInfo {
            connection_id: link.id.clone(),
            user_id: link.names.user.clone(),
            device_id: link.names.device.clone(),
            session_id: link.names.session.clone(),
        };
        if catch_unwind(AssertUnwindSafe(|| hook(self, &info))).is_err() {
            tracing::error!(connection = %link.id, "an on_connect or on_disconnect callback panicked");
        }
    }
}

/// Writes two hexadecimal digits per byte, ten times as fast as `format!`; every opened stream needs it.
fn hexadecimal(text: &mut String, bytes: &[u8]) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    for byte in bytes {
        text.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// The rejections of channels without a right and of channels beyond the limit.
fn not_subscribed(refused: &[Pattern], beyond: &[Pattern]) -> impl Iterator<Item = Rejected> {
    let rejected = |code| move |channel: &Pattern| Rejected { channel: channel.clone(), code };
    let beyond = beyond.iter().map(rejected(RejectCode::TooManyChannels));
    refused.iter().map(rejected(RejectCode::Forbidden)).chain(beyond)
}

impl Link {
    fn trace(&self, hub: &Hub, what: &'static str) {
        // The streams are counted only if the log level shows the count, because counting takes the lock of all
        // streams.
        if !tracing::enabled!(tracing::Level::INFO) {
            return;
        }
        let connections = hub.core().connections();
        let user = self.names.user.as_ref().map(UserId::as_str);
        let device = self.names.device.as_ref().map(DeviceId::as_str);
        tracing::info!(connection = %self.id, user, device, connections, "{what}");
    }
}
