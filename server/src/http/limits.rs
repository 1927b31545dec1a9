//! The limits on what a caller may use.

use std::{num::NonZeroU32, time::Duration};

use http::{HeaderMap, Uri, request::Parts};
use tidings_protocol::{ConnectionId, DeviceId, UserId, problem::Code};

use super::{
    address::ClientAddress,
    problem::Refusal,
    rates::{Caller, HubClock, Rate, Rates},
    turns::Turns,
};
use crate::{
    Hub,
    auth::Identity,
    connection_limits::{Bounds, ConnectionLimits, Holder},
};

/// The limits on what callers of the routes may use. A request beyond a limit is refused with a problem that has its
/// own code. Set them with [`Routes::limits`](crate::Routes::limits).
///
/// ```
/// use std::time::Duration;
/// use tidings::{ClientAddress, Limits, Rate};
/// let limits = Limits::default()
///     .connections_per_user(20)
///     .connections_per_address(200)
///     .client_address(ClientAddress::forwarded_for(1))
///     .publish_rate(Rate::per_second(5).burst(20))
///     .body_timeout(Duration::from_secs(5));
/// # let _ = limits;
/// ```
#[derive(Debug, Clone)]
#[must_use = "pass it to Routes::limits"]
pub struct Limits {
    bounds: Bounds,
    pub(super) challenge_timeout: Duration,
    open: Rate,
    subscribe: Rate,
    publish: Rate,
    poll: Rate,
    address: ClientAddress,
    url_bytes: usize,
    header_bytes: usize,
    pub(super) body_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bounds: Bounds { per_user: 100, per_device: usize::MAX, per_address: usize::MAX, in_all: 100_000 },
            challenge_timeout: Duration::from_secs(5),
            open: Rate::per_second(10).burst(200),
            subscribe: Rate::per_second(20).burst(200),
            publish: Rate::per_second(100).burst(1_000),
            poll: Rate::per_second(5).burst(50),
            address: ClientAddress::peer(),
            url_bytes: 8 << 10,
            header_bytes: 32 << 10,
            body_timeout: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The most streams of one user; beyond it 429 `tooManyConnections`. Defaults to 100.
    ///
    /// At this limit, and at the limits of a device and of an address, streams that a client reads win. A proxy may
    /// keep a stream open after its page has gone. So the hub sends `challenge`, which the Tidings client answers, on
    /// the streams that it has not heard from for longest. It ends the streams that do not answer within
    /// [`challenge_timeout`](Self::challenge_timeout), with a reason after which a live client comes back. The new
    /// stream is refused only if all of them answer.
    pub fn connections_per_user(mut self, connections: usize) -> Self {
        self.bounds.per_user = connections;
        self
    }

    /// The most streams of one device of a user, by the device id that clients send; beyond it 429
    /// `tooManyConnections`. Defaults to no limit.
    pub fn connections_per_device(mut self, connections: usize) -> Self {
        self.bounds.per_device = connections;
        self
    }

    /// The most streams from one IPv4 address or one IPv6 network of 64 bits; beyond it 429 `tooManyConnections`.
    /// Defaults to no limit, because behind a proxy all streams come from one address unless
    /// [`client_address`](Self::client_address) is set.
    pub fn connections_per_address(mut self, connections: usize) -> Self {
        self.bounds.per_address = connections;
        self
    }

    /// The most streams in all; beyond it 503 `full`. Defaults to 100,000.
    pub fn connections(mut self, connections: usize) -> Self {
        self.bounds.in_all = connections;
        self
    }

    /// How long a client may take to answer a challenge before its stream ends. Challenges are sent only at a limit.
    /// Defaults to 5 s.
    pub fn challenge_timeout(mut self, timeout: Duration) -> Self {
        self.challenge_timeout = timeout;
        self
    }

    /// How often a user may open a stream; beyond it 429 `tooManyRequests`. Anonymous streams are limited per address,
    /// and only where [`connections_per_address`](Self::connections_per_address) is set, because otherwise the address
    /// may be a proxy's. Defaults to 10 a second, in bursts of 200.
    pub fn open_rate(mut self, rate: Rate) -> Self {
        self.open = rate;
        self
    }

    /// How often a user (or, when anonymous, a stream) may call subscribe, unsubscribe, refresh, presence, alive and
    /// latency; beyond it 429 `tooManyRequests`. Defaults to 20 a second, in bursts of 200.
    pub fn subscribe_rate(mut self, rate: Rate) -> Self {
        self.subscribe = rate;
        self
    }

    /// How many events a user (or, when anonymous, an address) may publish over HTTP; beyond it 429 `tooManyRequests`.
    /// Backends are not limited. A request with more events than a burst is refused with 400 `tooMany`. Defaults to 100
    /// a second, in bursts of 1,000.
    pub fn publish_rate(mut self, rate: Rate) -> Self {
        self.publish = rate;
        self
    }

    /// How often a user (or, when anonymous, an address) may poll; beyond it 429 `tooManyRequests`. A poll that waits
    /// also counts as a stream. Defaults to 5 a second, in bursts of 50.
    pub fn poll_rate(mut self, rate: Rate) -> Self {
        self.poll = rate;
        self
    }

    /// Where the client's address is found. Defaults to the other end of the socket.
    pub fn client_address(mut self, source: ClientAddress) -> Self {
        self.address = source;
        self
    }

    /// The longest path and query of a URL, below the path at which the router is nested, in bytes; beyond it 414
    /// `urlTooLong`. Defaults to 8 KiB.
    pub fn url_bytes(mut self, bytes: usize) -> Self {
        self.url_bytes = bytes;
        self
    }

    /// The most bytes of header names and values; beyond it 431 `headersTooLarge`. Defaults to 32 KiB. The server's own
    /// limit (`Serve::head_bytes`) applies first.
    pub fn header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// How long a request body may take to arrive; beyond it 408 `requestTimeout`. Defaults to 10 s. (The server limits
    /// the time for the head: `Serve::head_timeout`.)
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }
}

/// The limits and the counts that they are compared with.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    pub(super) connections: ConnectionLimits,
    pub(super) turns: Turns,
    open: Rates<HubClock>,
    subscribe: Rates<HubClock>,
    publish: Rates<HubClock>,
    poll: Rates<HubClock>,
}

impl Limiter {
    pub(super) fn new(limits: Limits, hub: &Hub) -> Self {
        let rates = |rate| Rates::new(rate, HubClock(hub.clone()));
        Self {
            connections: ConnectionLimits::new(limits.bounds),
            turns: Turns::default(),
            open: rates(limits.open),
            subscribe: rates(limits.subscribe),
            publish: rates(limits.publish),
            poll: rates(limits.poll),
            limits,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The code by which a head that is too large is refused, before anything else reads it.
    pub(super) fn refuses_head(&self, uri: &Uri, headers: &HeaderMap) -> Option<Code> {
        let Limits { url_bytes, header_bytes, .. } = self.limits;
        if uri.path_and_query().map_or(0, |url| url.as_str().len()) > url_bytes {
            return Some(Code::UrlTooLong);
        }
        let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        (bytes > header_bytes).then_some(Code::HeadersTooLarge)
    }

    /// The user, device and address to which a stream is counted.
    pub(super) fn holder(&self, identity: &Identity, device: Option<&DeviceId>, parts: &Parts) -> Holder {
        Holder { user: identity.user_id().cloned(), device: device.cloned(), address: self.limits.address.of(parts) }
    }

    /// Counts a stream that is opened.
    pub(super) fn open(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        let is_known = identity.user_id().is_some() || self.limits.bounds.per_address < usize::MAX;
        if is_known { Ok(self.open.take(&self.caller(identity, parts), NonZeroU32::MIN)?) } else { Ok(()) }
    }

    /// Counts a call about a stream, per user or, when anonymous, per stream.
    pub(super) fn subscribe(&self, user: Option<&UserId>, stream: &ConnectionId) -> Result<(), Refusal> {
        let caller = match user {
            Some(user) => Caller::User(user.clone()),
            None => Caller::Connection(stream.clone()),
        };
        self.subscribe.take(&caller, NonZeroU32::MIN).map_err(Refusal::from)
    }

    /// Counts a call that concerns no stream.
    pub(super) fn look(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        self.subscribe.take(&self.caller(identity, parts), NonZeroU32::MIN).map_err(Refusal::from)
    }

    /// Counts a poll.
    pub(super) fn poll(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        self.poll.take(&self.caller(identity, parts), NonZeroU32::MIN).map_err(Refusal::from)
    }

    fn caller(&self, identity: &Identity, parts: &Parts) -> Caller {
        match identity.user_id() {
            Some(user) => Caller::User(user.clone()),
            None => Caller::Address(self.limits.address.of(parts)),
        }
    }

    /// Counts events that a caller publishes, unless it is a backend.
    pub(super) fn publish(&self, identity: &Identity, parts: &Parts, events: usize) -> Result<(), Refusal> {
        match NonZeroU32::new(u32::try_from(events).unwrap_or(u32::MAX)) {
            Some(events) if !identity.is_backend() => {
                self.publish.take(&self.caller(identity, parts), events).map_err(Refusal::from)
            }
            _ => Ok(()),
        }
    }
}
