//! What a caller may use up.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore};
use http::request::Parts;
use tidings_protocol::{ConnectionId, UserId, problem::Code};

use super::{address::ClientAddress, problem::Refusal};
use crate::{
    Hub,
    admission::{Admissions, Bounds, Full, Permit},
    auth::Identity,
};

/// How long to wait for somebody else to leave.
const FULL_RETRY: Duration = Duration::from_secs(10);
/// After how many questions those who have not called for long are forgotten.
const SWEEP_EVERY: u32 = 4_096;

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
            bounds: Bounds { per_user: 100, per_address: usize::MAX, in_all: 100_000 },
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
    pub fn connections_per_user(mut self, connections: usize) -> Self {
        self.bounds.per_user = connections;
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

/// How often something may be done: so many times a second in the long run, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl Rate {
    /// So many times a second, and as many at once; at least once.
    #[must_use]
    pub fn per_second(times: u32) -> Self {
        let times = NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN);
        Self { per_second: times, burst: times }
    }

    /// So many at once, by who has been quiet for long enough; at least one.
    #[must_use]
    pub fn burst(mut self, times: u32) -> Self {
        self.burst = NonZeroU32::new(times).unwrap_or(NonZeroU32::MIN);
        self
    }
}

/// Who is counted: a user, or what is known of nobody in particular.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Caller {
    User(UserId),
    /// Not by address: behind a proxy that was not made known, all would be one.
    Connection(ConnectionId),
    Address(Option<IpAddr>),
}

/// How often each caller did something of late.
#[derive(Debug)]
struct Rates<C: Clock> {
    limiter: RateLimiter<Caller, HashMapStateStore<Caller>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    asked: AtomicU32,
}

/// Why not now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denied {
    Wait(Duration),
    Never,
}

impl<C: Clock + Clone> Rates<C> {
    fn new(rate: Rate, clock: C) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { limiter: RateLimiter::hashmap_with_clock(quota, clock.clone()), clock, asked: AtomicU32::new(0) }
    }

    fn take(&self, caller: &Caller, times: NonZeroU32) -> Result<(), Denied> {
        // Who would be let through as if new need not be remembered.
        if self.asked.fetch_add(1, Ordering::Relaxed) % SWEEP_EVERY == SWEEP_EVERY - 1 {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key_n(caller, times) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(Denied::Wait(until.wait_time_from(self.clock.now()))),
            Err(_) => Err(Denied::Never),
        }
    }
}

/// The hub's clock, by which a simulation goes as well.
#[derive(Debug, Clone)]
struct HubClock(Hub);

impl Clock for HubClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.now_ms())
    }
}

/// The limits at work.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    admissions: Admissions,
    subscribe: Rates<HubClock>,
    publish: Rates<HubClock>,
    poll: Rates<HubClock>,
}

impl Limiter {
    pub(super) fn new(limits: Limits, hub: &Hub) -> Self {
        let rates = |rate| Rates::new(rate, HubClock(hub.clone()));
        Self {
            admissions: Admissions::new(limits.bounds),
            subscribe: rates(limits.subscribe),
            publish: rates(limits.publish),
            poll: rates(limits.poll),
            limits,
        }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts a stream in.
    pub(super) fn admit(&self, identity: &Identity, parts: &Parts) -> Result<Permit, Refusal> {
        self.admissions.admit(identity.user_id(), self.limits.address.of(parts)).map_err(full)
    }

    /// Whether a stream would be let in.
    pub(super) fn would_admit(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        self.admissions.has_room(identity.user_id(), self.limits.address.of(parts)).map_err(full)
    }

    /// Counts a call about a stream, by whose it is.
    pub(super) fn subscribe(&self, user: Option<&UserId>, stream: &ConnectionId) -> Result<(), Refusal> {
        let caller = match user {
            Some(user) => Caller::User(user.clone()),
            None => Caller::Connection(stream.clone()),
        };
        self.subscribe.take(&caller, NonZeroU32::MIN).map_err(denied)
    }

    /// Counts a call that is about no stream.
    pub(super) fn look(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        self.subscribe.take(&self.caller(identity, parts), NonZeroU32::MIN).map_err(denied)
    }

    /// Counts a poll.
    pub(super) fn poll(&self, identity: &Identity, parts: &Parts) -> Result<(), Refusal> {
        self.poll.take(&self.caller(identity, parts), NonZeroU32::MIN).map_err(denied)
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
                self.publish.take(&self.caller(identity, parts), events).map_err(denied)
            }
            _ => Ok(()),
        }
    }
}

fn full(full: Full) -> Refusal {
    match full {
        Full::User => Refusal::new(Code::TooManyConnections, "of this user"),
        Full::Address => Refusal::new(Code::TooManyConnections, "from this address"),
        Full::All => Refusal::from(Code::Full),
    }
    .retry_after(FULL_RETRY)
}

fn denied(denied: Denied) -> Refusal {
    match denied {
        Denied::Wait(delay) => Refusal::from(Code::TooManyRequests).retry_after(delay),
        Denied::Never => Refusal::new(Code::TooMany, "more events than may ever be published at once"),
    }
}

/// Refuses heads that are too large, before anything looks at them.
pub(super) async fn check_head(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let url = request.uri().path_and_query().map_or(0, |url| url.as_str().len());
    if url > limits.url_bytes {
        return Refusal::from(Code::UrlTooLong).into_response();
    }
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    if headers > limits.header_bytes {
        return Refusal::from(Code::HeadersTooLarge).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn user(id: &str) -> Caller {
        Caller::User(UserId::new(id).unwrap())
    }

    fn once() -> NonZeroU32 {
        NonZeroU32::MIN
    }

    #[test]
    fn a_burst_then_a_rate_for_each_caller() {
        let clock = FakeRelativeClock::default();
        // Time has gone by before the first call.
        clock.advance(Duration::from_secs(1_000));
        let rates = Rates::new(Rate::per_second(2).burst(3), clock.clone());
        clock.advance(Duration::from_secs(1_000));
        let (ana, bob) = (user("ana"), user("bob"));
        for _ in 0..3 {
            assert_eq!(rates.take(&ana, once()), Ok(()));
        }
        assert_eq!(rates.take(&ana, once()), Err(Denied::Wait(Duration::from_millis(500))));
        assert_eq!(rates.take(&bob, once()), Ok(()), "others are not concerned");
        clock.advance(Duration::from_millis(500));
        assert_eq!(rates.take(&ana, once()), Ok(()));
        assert_eq!(rates.take(&ana, NonZeroU32::new(4).unwrap()), Err(Denied::Never), "more than a burst");
    }

    #[test]
    fn who_is_quiet_is_forgotten() {
        let clock = FakeRelativeClock::default();
        let rates = Rates::new(Rate::per_second(1), clock.clone());
        for number in 0..SWEEP_EVERY {
            let _ = rates.take(&user(&number.to_string()), once());
            clock.advance(Duration::from_millis(10));
        }
        assert!(rates.limiter.len() < 400, "{} are remembered", rates.limiter.len());
    }
}
