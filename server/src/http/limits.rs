//! What a caller may use up.

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

/// What callers of the routes may use up; whatever is over is refused with a problem of its own code. Set by
/// [`Routes::limits`](crate::Routes::limits).
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
#[must_use = "give it to Routes::limits"]
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
    /// The most streams of one user: 429 `tooManyConnections`. Defaults to 100.
    ///
    /// At this limit, and those of a device and an address, the living win: a proxy may keep a stream open when the page has gone, so the
    /// hub asks on the streams that it has not heard of for longest whether somebody reads them (`challenge`, which our client answers),
    /// and ends those that do not answer within [`challenge_timeout`](Self::challenge_timeout) with a reason after which a client comes
    /// back. Only where all answer the new stream is refused.
    pub fn connections_per_user(mut self, connections: usize) -> Self {
        self.bounds.per_user = connections;
        self
    }

    /// The most streams of one device of a user, as clients name it: 429 `tooManyConnections`. Defaults to no limit.
    pub fn connections_per_device(mut self, connections: usize) -> Self {
        self.bounds.per_device = connections;
        self
    }

    /// The most streams from one IPv4 address or one IPv6 network of 64 bits: 429 `tooManyConnections`. Defaults to no limit,
    /// because behind a proxy all come from one address until [`client_address`](Self::client_address) says otherwise.
    pub fn connections_per_address(mut self, connections: usize) -> Self {
        self.bounds.per_address = connections;
        self
    }

    /// The most streams in all: 503 `full`. Defaults to 100,000.
    pub fn connections(mut self, connections: usize) -> Self {
        self.bounds.in_all = connections;
        self
    }

    /// How long a client may take to answer a challenge before its stream ends, where there is no place for another. Defaults to 5 s.
    pub fn challenge_timeout(mut self, timeout: Duration) -> Self {
        self.challenge_timeout = timeout;
        self
    }

    /// How often a user may open a stream: 429 `tooManyRequests`. When anonymous, an address, and only where
    /// [`connections_per_address`](Self::connections_per_address) is set: elsewhere a proxy's address may be everybody's. Defaults to 10
    /// a second, in bursts of 200.
    pub fn open_rate(mut self, rate: Rate) -> Self {
        self.open = rate;
        self
    }

    /// How often a user (or, when anonymous, a stream) may call subscribe, unsubscribe, refresh, presence, alive and latency: 429 `tooManyRequests`.
    /// Defaults to 20 a second, in bursts of 200.
    pub fn subscribe_rate(mut self, rate: Rate) -> Self {
        self.subscribe = rate;
        self
    }

    /// How many events a user (or, when anonymous, an address) may publish over HTTP: 429 `tooManyRequests`. Backends are not
    /// limited. Defaults to 100 a second, in bursts of 1,000. A request of more events than a burst holds is a 400 `tooMany`.
    pub fn publish_rate(mut self, rate: Rate) -> Self {
        self.publish = rate;
        self
    }

    /// How often a user (or, when anonymous, an address) may poll: 429 `tooManyRequests`. A poll that waits is a stream among the
    /// others as well. Defaults to 5 a second, in bursts of 50.
    pub fn poll_rate(mut self, rate: Rate) -> Self {
        self.poll = rate;
        self
    }

    /// Where the address of a client is found. Defaults to the other end of the socket.
    pub fn client_address(mut self, source: ClientAddress) -> Self {
        self.address = source;
        self
    }

    /// The longest path and query of a URL, below the path at which the router is nested, in bytes: 414 `urlTooLong`. Defaults
    /// to 8 KiB.
    pub fn url_bytes(mut self, bytes: usize) -> Self {
        self.url_bytes = bytes;
        self
    }

    /// The most bytes of names and values of headers: 431 `headersTooLarge`. Defaults to 32 KiB; what is larger than the
    /// server's own limit (`Serve::head_bytes`) does not get here.
    pub fn header_bytes(mut self, bytes: usize) -> Self {
        self.header_bytes = bytes;
        self
    }

    /// How long a request body may take to come: 408 `requestTimeout`. Defaults to 10 s. (The time for the head is the
    /// server's to limit: `Serve::head_timeout`.)
    pub fn body_timeout(mut self, timeout: Duration) -> Self {
        self.body_timeout = timeout;
        self
    }
}

/// The limits at work.
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

    /// By which code a head is refused that is too large, before anything else looks at it.
    pub(super) fn refuses_head(&self, uri: &Uri, headers: &HeaderMap) -> Option<Code> {
        let Limits { url_bytes, header_bytes, .. } = self.limits;
        if uri.path_and_query().map_or(0, |url| url.as_str().len()) > url_bytes {
            return Some(Code::UrlTooLong);
        }
        let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        (bytes > header_bytes).then_some(Code::HeadersTooLarge)
    }

    /// As whom a stream is counted.
    pub(super) fn holder(&self, identity: &Identity, device: Option<&DeviceId>, parts: &Parts) -> Holder {
        Holder { user: identity.user_id().cloned(), device: device.cloned(), address: self.limits.address.of(parts) }
    }

    /// Counts a stream that is opened.
    pub(super) fn open(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        let is_known = identity.user_id().is_some() || self.limits.bounds.per_address < usize::MAX;
        if is_known { Ok(self.open.take(&self.caller(identity, parts), NonZeroU32::MIN)?) } else { Ok(()) }
    }

    /// Counts a call about a stream, by whose it is.
    pub(super) fn subscribe(&self, user: Option<&UserId>, stream: &ConnectionId) -> Result<(), Refusal> {
        let caller = match user {
            Some(user) => Caller::User(user.clone()),
            None => Caller::Connection(stream.clone()),
        };
        self.subscribe.take(&caller, NonZeroU32::MIN).map_err(Refusal::from)
    }

    /// Counts a call that is about no stream.
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

    /// Counts events that somebody publishes in their own name.
    pub(super) fn publish(&self, identity: &Identity, parts: &Parts, events: usize) -> Result<(), Refusal> {
        match NonZeroU32::new(u32::try_from(events).unwrap_or(u32::MAX)) {
            Some(events) if !identity.is_backend() => {
                self.publish.take(&self.caller(identity, parts), events).map_err(Refusal::from)
            }
            _ => Ok(()),
        }
    }
}
