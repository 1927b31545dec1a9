//! `tidings::serve`: a server of our own, for what `axum::serve` does not do. It has a deep backlog (a burst of
//! reconnects overflows the usual one, and each dropped SYN costs its client a second), limits on the request head, and
//! an end to clients that read nothing. It gives a stream its socket for itself: once hyper has parsed the request and
//! written the response's head, hyper and its buffers are dropped, which take ten times the memory of the rest. A
//! stream that has nothing to write has no task either.
//!
//! | module | |
//! |---|---|
//! | `accept` | the connections that a listener yields |
//! | `connections`, `shared` | all connections, and which task or writer has each; the state that they share |
//! | `connection`, `transport` | the task of one connection, from its accept to its end; the socket that it uses |
//! | `http1`, `http2`, `service` | how hyper serves a connection, and the router as hyper calls it |
//! | `exchanges`, `idle_limit` | the requests of a connection that are being answered; how many connections may be without any |
//! | `handover` | which streams are taken over from hyper, and when |
//! | `watched` | the I/O below hyper, which notices when the head has left |
//! | `stream`, `streaming`, `chunk` | a stream on a bare socket |
//! | `resting`, `writer` | a stream that has nothing to write; a task that writes to many such streams |
//! | `cut` | HTTP/2 streams whose client keeps the window shut |
//! | `stall` | the end of clients that read nothing |

mod accept;
mod chunk;
mod connection;
mod connections;
mod cut;
mod exchanges;
mod handover;
mod http1;
mod http2;
mod idle_limit;
mod resting;
mod service;
mod shared;
mod stall;
mod stream;
mod streaming;
mod transport;
mod watched;
mod writer;

use std::{
    any::Any,
    future::{Future, IntoFuture, pending},
    io,
    panic::resume_unwind,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{Router, serve::Listener};
use futures_util::future::BoxFuture;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::sleep,
};

pub(super) use self::{accept::RetiresAt, handover::TakeOver};
use self::{
    accept::{Accepted, Peer, accept},
    connections::Connections,
    idle_limit::IdleLimit,
    shared::Shared,
};
use crate::complaints::Complaints;

/// The longest duration of a setting; a longer one, such as `Duration::MAX`, is cut to it, because the clocks of some
/// systems would overflow.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// See [`Serve::head_bytes`].
const HEAD_BYTES: usize = 64 << 10;
/// The number of connections whose first requests may wait for one of the runtime's threads at once. A first request takes
/// 30 to 60 µs. In a storm thousands of them would stand in the runtime's queue, and every other task would wait behind
/// them for half a second; so the rest wait in a queue of their own, in the order in which they came.
const ARRIVALS: usize = 8;
/// The interval at which a full server checks whether it has room for another connection.
const LOOK: Duration = Duration::from_millis(50);
/// See [`Serve::send_buffer`].
const SEND_BUFFER: usize = 16 << 10;

/// Serves a router, over HTTP/1 and HTTP/2, on any [`Listener`] of axum: a `TcpListener`, a `UnixListener`, or a
/// listener of your own that speaks TLS. Handlers find the client's address as `ConnectInfo<SocketAddr>`, if it has
/// one.
///
/// A stream over HTTP/1.1 gets its socket for itself: hyper parses the request and writes the head of the response;
/// after that has left, hyper and its buffers are dropped. The client reads exactly the same bytes. After the stream
/// has ended, the connection serves the next request; up to 8 KiB that the client sends before are kept, and a client
/// that sends more is cut off. Layers around the routes stay around the stream's body. (Streams on other transports
/// than TCP keep a task each.) hyper keeps streams over HTTP/2 and HTTP/1.0, answers to HEAD, to requests with a body
/// or `Upgrade`, and responses that a layer has encoded or given a length.
///
/// ```no_run
/// # async fn f(app: axum::Router, ctrl_c: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
/// tidings::serve(listener, app).with_graceful_shutdown(ctrl_c).await?;
/// # Ok(()) }
/// ```
///
/// Behind a proxy on the same machine, on a Unix socket. The client's address is then taken from the proxy's header:
///
/// ```no_run
/// # #[cfg(unix)]
/// # async fn f(hub: tidings::Hub, auth: impl tidings::auth::Auth) -> std::io::Result<()> {
/// use tidings::{ClientAddress, Limits, Routes};
/// let limits = Limits::default().client_address(ClientAddress::forwarded_for(1));
/// let app = axum::Router::new().nest("/api/events", Routes::new(hub, auth).limits(limits).into_router());
/// tidings::serve(tokio::net::UnixListener::bind("/run/app.sock")?, app).await?;
/// # Ok(()) }
/// ```
pub fn serve<L: Listener>(listener: L, router: Router) -> Serve<L> {
    Serve {
        listener,
        router,
        head_timeout: Duration::from_secs(10),
        head_bytes: HEAD_BYTES,
        idle_timeout: Duration::from_secs(130),
        idle_limit: None,
        stall: Duration::from_secs(60),
        send_buffer: SEND_BUFFER,
        shutdown: Box::pin(pending()),
        shutdown_timeout: Duration::from_secs(10),
        connection_age: None,
    }
}

/// A server that runs when awaited, from [`serve`].
#[must_use = "await it"]
pub struct Serve<L> {
    listener: L,
    router: Router,
    head_timeout: Duration,
    head_bytes: usize,
    idle_timeout: Duration,
    idle_limit: Option<IdleLimit>,
    stall: Duration,
    send_buffer: usize,
    shutdown: BoxFuture<'static, ()>,
    shutdown_timeout: Duration,
    connection_age: Option<Duration>,
}

impl<L> std::fmt::Debug for Serve<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serve").finish_non_exhaustive()
    }
}

impl<L: Listener> Serve<L> {
    /// The address that the server listens on, for a listener that was bound to port 0.
    ///
    /// # Errors
    ///
    /// The error of the listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }

    /// The maximal age of a connection, varied by up to a tenth, so that connections of the same age do not end together.
    /// An old connection takes no further request, and its streams receive `closing {reason: drain}`; their clients
    /// reconnect at once and lose no event. Behind a load balancer that distributes only new connections, this lets
    /// clients move to a node that joined. At most a year; defaults to no limit.
    pub fn connection_age(mut self, age: Duration) -> Self {
        self.connection_age = Some(age.min(YEAR));
        self
    }

    /// How long a client may take to send a request head. Over HTTP/1.1, a head that has begun is then answered with
    /// 408 `requestTimeout`. At most a year; defaults to 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout.min(YEAR);
        self
    }

    /// The largest request head, URL included, in bytes; at least 8 KiB. A larger one is answered with 431, without a
    /// problem document, because it is not read. Defaults to 64 KiB, so that the routes' own limits
    /// ([`Limits::url_bytes`](crate::Limits::url_bytes), [`header_bytes`](crate::Limits::header_bytes)) apply first.
    pub fn head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes.max(8 << 10);
        self
    }

    /// How long a connection may wait for its next request; over HTTP/1 this is rounded up to multiples of
    /// [`head_timeout`](Self::head_timeout), which is also the time for the first request. It must be longer than a
    /// proxy in front keeps its own end (60 s for nginx and AWS, two minutes for Caddy). Otherwise the proxy sends
    /// requests into connections that are being closed, and answers its clients with 502. Defaults to 130 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many connections may wait for a request at once, their first or a further one; connections with a stream or
    /// another answer in progress do not count. Beyond it, the connections that have waited longest are closed, but
    /// none that has waited for less than a second; until then no further connection is accepted. Defaults to the
    /// descriptors that are free of those that the process may open (`RLIMIT_NOFILE`), except an eighth, which is kept for
    /// the application; to a quarter of all where streams leave less free; and to 20,000 at most.
    pub fn idle_connections(mut self, count: usize) -> Self {
        self.idle_limit = Some(IdleLimit::Set(count.max(1)));
        self
    }

    /// How long the client of a stream may take no byte of pending data before it is dropped. This includes a client
    /// that has vanished (by `TCP_USER_TIMEOUT`, on Linux; an HTTP/2 connection by pings, within 60 s). Other answers
    /// may be read as slowly as one likes. Defaults to 60 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall = timeout;
        self
    }

    /// The `SO_SNDBUF` of a stream's socket, in bytes: what the kernel buffers for a client that reads slowly or not at
    /// all. (Linux doubles the figure for its own bookkeeping.) It also bounds the rate, to this much per round trip.
    /// It is set where a stream has its socket for itself (HTTP/1.1). Defaults to 16 KiB.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// When `signal` is ready, stops accepting, lets running requests end, and returns. Streams end only when the hub
    /// ends them, so call [`Hub::drain`](crate::Hub::drain) in the signal. Requests that have not ended
    /// [`shutdown_timeout`](Self::shutdown_timeout) after that are cut.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// How long running requests may take after the signal, such as a stream whose client does not read. Defaults to 10
    /// s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    async fn run(mut self) -> io::Result<()> {
        if let Some(listener) = (&self.listener as &dyn Any).downcast_ref::<TcpListener>() {
            accept::prepare(listener)?;
        }
        let shared = Arc::new(Shared {
            router: self.router,
            http1: http1::builder(self.head_timeout, self.head_bytes),
            http2: http2::builder(self.head_bytes),
            head_timeout: self.head_timeout,
            idle_timeout: self.idle_timeout,
            stall: self.stall,
            send_buffer: self.send_buffer,
            stopping: watch::Sender::new(false),
            arrivals: Semaphore::new(ARRIVALS),
        });
        let mut shutdown = pin!(self.shutdown);
        let mut connections = Connections::new(shared.clone(), self.idle_limit.unwrap_or_else(IdleLimit::of_process));
        let complaints = Complaints::default();
        loop {
            let has_room = connections.has_room();
            tokio::select! {
                (accepted, address) = accept(&mut self.listener, &complaints), if has_room => {
                    let peer = Peer::new(address, self.connection_age);
                    match accepted {
                        Accepted::Tcp(socket) => connections.add(socket, peer),
                        Accepted::Other(socket) => connections.add_other(socket, peer),
                    }
                }
                () = connections.changed() => {}
                () = sleep(LOOK), if !has_room => {}
                () = &mut shutdown => break,
            }
        }
        drop(self.listener);
        shared.stopping.send_replace(true);
        let all_ended = async {
            while !connections.is_empty() {
                connections.changed().await;
            }
        };
        let _ = tokio::time::timeout(self.shutdown_timeout, all_ended).await;
        Ok(())
    }
}

impl<L: Listener> IntoFuture for Serve<L> {
    type Output = io::Result<()>;
    type IntoFuture = BoxFuture<'static, io::Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async {
            // The server runs in a task of its own, because the caller may await it outside of the runtime's threads, as `main` does. Then
            // each new connection would wake one of those threads, and each end of a connection would wake the caller's, which costs more
            // than anything else about an arriving client. The task ends when the set is dropped.
            let mut running = JoinSet::new();
            running.spawn(self.run());
            match running.join_next().await {
                Some(Ok(ended)) => ended,
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(error) => Err(io::Error::other(error)),
                },
                None => unreachable!("it was spawned"),
            }
        })
    }
}

#[cfg(test)]
mod tests;
