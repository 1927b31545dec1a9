//! `tidings::serve`: a listener of our own, for what `axum::serve` does not do. It has a deep backlog (a storm of reconnects
//! overflows the usual one, and each dropped SYN costs its client a second), limits on the request head, and an end to
//! peers that take no bytes. And a stream has its socket for itself: once hyper has parsed the request and written the
//! response's head, it and its buffers go, which are ten times what is left; and while it has nothing to write, its task goes too.
//!
//! | module | |
//! |---|---|
//! | `accept` | what a listener yields |
//! | `connections`, `shared` | all connections, and who has each; what they share |
//! | `connection`, `transport` | the task of one, from its accept to its end; what it runs on |
//! | `http1`, `http2`, `service` | the two ways in which hyper serves one, and the router as it calls it |
//! | `exchanges` | the requests of one that are being answered, and how many connections have none |
//! | `handover` | which streams are taken over from hyper, and when |
//! | `watched` | the I/O below hyper, which sees that the head has left |
//! | `stream`, `streaming`, `chunk` | a stream on a bare socket |
//! | `resting`, `writer` | a stream that has nothing to write; a task that writes to many of them |
//! | `cut` | streams of HTTP/2 that nothing can be written to |
//! | `stall` | an end to peers that take no bytes |

mod accept;
mod chunk;
mod connection;
mod connections;
mod cut;
mod exchanges;
mod handover;
mod http1;
mod http2;
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
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::{Router, serve::Listener};
use futures_util::future::BoxFuture;
use tokio::{net::TcpListener, sync::watch, time::sleep};

pub(super) use self::{accept::RetiresAt, handover::TakeOver};
use self::{
    accept::{Accepted, Peer, accept},
    connections::Connections,
    shared::Shared,
};
use crate::complaints::Complaints;

/// How many connections the kernel holds that were not accepted yet (capped by `net.core.somaxconn`).
const BACKLOG: i32 = 4_096;
/// The longest time that a setting takes as it is. This is because the clock of some system ends, and `Duration::MAX` would pass that end.
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// See [`Serve::head_bytes`].
const HEAD_BYTES: usize = 64 << 10;
/// How often it is looked whether there is room for a connection again.
const LOOK: Duration = Duration::from_millis(50);
/// See [`Serve::send_buffer`].
const SEND_BUFFER: usize = 16 << 10;

/// Serves a router, over HTTP/1 and HTTP/2, on anything that is a [`Listener`] of axum: a `TcpListener`, a `UnixListener`, or one of
/// yours that speaks TLS. Handlers find the peer's address as `ConnectInfo<SocketAddr>`, where it has one.
///
/// A stream of HTTP/1.1 gets its socket for itself: hyper parses the request and writes the head of the response, and when
/// that has left, hyper and its buffers go. The client reads what it would read otherwise, to the byte, and when the stream has
/// ended the connection serves the next request; what the client sends before that is kept, up to 8 KiB, and who sends more is cut. Layers around the routes stay around the stream's body.
/// (Streams on other transports than TCP keep a task each.) Left to hyper are streams over HTTP/2 and HTTP/1.0, answers to HEAD, to requests with a body or `Upgrade`, and responses that
/// a layer has encoded or given a length.
///
/// ```no_run
/// # async fn f(app: axum::Router, ctrl_c: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
/// tidings::serve(listener, app).with_graceful_shutdown(ctrl_c).await?;
/// # Ok(()) }
/// ```
///
/// Behind a proxy on the same machine, on a Unix socket. The client's address is then what the proxy says:
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
        idle_connections: None,
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
    idle_connections: Option<usize>,
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
    /// Where it listens: for a listener that was bound to port 0.
    ///
    /// # Errors
    ///
    /// Those of the listener.
    pub fn local_addr(&self) -> io::Result<L::Addr> {
        self.listener.local_addr()
    }

    /// How long a connection may live, up to a tenth more or less, so that those that came together do not leave together: then
    /// it takes no further request, and streams on it are told `closing {reason: drain}`, upon which their clients come back at once,
    /// by a new connection, and go on without losing an event. Behind a load balancer that spreads new connections only, this lets
    /// clients move to a node that joined. At most a year; defaults to for ever.
    pub fn connection_age(mut self, age: Duration) -> Self {
        self.connection_age = Some(age.min(YEAR));
        self
    }

    /// How long a peer may take to send a request head. Over HTTP/1.1 one that has begun is answered with 408 `requestTimeout`.
    /// At most a year; defaults to 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout.min(YEAR);
        self
    }

    /// The largest request head, URL included, in bytes; at least 8 KiB. What is larger is answered with 431, and without a
    /// problem document, for it is not read. Defaults to 64 KiB, so that the routes' own limits
    /// ([`Limits::url_bytes`](crate::Limits::url_bytes), [`header_bytes`](crate::Limits::header_bytes)) are met first.
    pub fn head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes.max(8 << 10);
        self
    }

    /// How long a connection may wait for its next request, in steps of [`head_timeout`](Self::head_timeout) over HTTP/1; for its
    /// first one it has that time. It must be longer than a proxy in front keeps its own end (60 s for nginx and AWS, two
    /// minutes for Caddy), which else sends requests into connections that are being closed, and tells its clients 502. Defaults
    /// to 130 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How many connections may wait for a request at once, their first or a further one; streams, and whatever else is being answered, do
    /// not count. Where there are more, those are closed that have waited for longest, but none that has waited for less than a second:
    /// until then no further one is accepted. Defaults to a quarter of the descriptors that the process may open (`RLIMIT_NOFILE`), and
    /// to 10,000 at most.
    pub fn idle_connections(mut self, count: usize) -> Self {
        self.idle_connections = Some(count.max(1));
        self
    }

    /// How long the peer of a stream may take no byte of what is waiting for it before it is dropped, one that has vanished without a word
    /// too (by `TCP_USER_TIMEOUT`, on Linux; a connection of HTTP/2 by pings, within 60 s). Other answers may be taken as slowly as one
    /// likes. Defaults to 60 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall = timeout;
        self
    }

    /// The `SO_SNDBUF` of a stream's socket, in bytes: what the kernel keeps for a client that reads slowly or not at all. (Linux
    /// doubles the figure, to count in its own bookkeeping.) It bounds the rate too, to this much in a round trip. Set where a
    /// stream has its socket for itself (HTTP/1.1). Defaults to 16 KiB.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = bytes;
        self
    }

    /// When `signal` is ready, stops accepting, lets running requests end, and returns. Streams end only when the hub says
    /// so: call [`Hub::drain`](crate::Hub::drain) in the signal. What has not ended
    /// [`shutdown_timeout`](Self::shutdown_timeout) after that is cut.
    pub fn with_graceful_shutdown(mut self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        self.shutdown = Box::pin(signal);
        self
    }

    /// How long what still runs after the signal may take, such as a stream whose client does not read. Defaults to 10 s.
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.shutdown_timeout = timeout;
        self
    }

    async fn run(mut self) -> io::Result<()> {
        if let Some(listener) = (&self.listener as &dyn Any).downcast_ref::<TcpListener>() {
            // Listening again on a listening socket only sets its backlog.
            socket2::SockRef::from(listener).listen(BACKLOG)?;
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
        });
        let mut shutdown = pin!(self.shutdown);
        let mut connections = Connections::new(shared.clone(), self.idle_connections.unwrap_or_else(idle_connections));
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

/// A quarter of the descriptors that there are: the others are for streams, and for the application.
fn idle_connections() -> usize {
    const MOST: usize = 10_000;
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit};
        let descriptors = getrlimit(Resource::Nofile).current.and_then(|count| usize::try_from(count).ok());
        descriptors.map_or(MOST, |count| (count / 4).clamp(1, MOST))
    }
    #[cfg(not(unix))]
    MOST
}

impl<L: Listener> IntoFuture for Serve<L> {
    type Output = io::Result<()>;
    type IntoFuture = BoxFuture<'static, io::Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
