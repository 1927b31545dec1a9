//! `tidings::serve`: a listener of our own, for what `axum::serve` does not do. It has a deep backlog (a storm of reconnects
//! overflows the usual one, and each dropped SYN costs its client a second), limits on the request head, and an end to
//! peers that take no bytes. And a stream has its socket for itself: once hyper has parsed the request and written the
//! response's head, it and its buffers go, which are ten times what is left; and while it has nothing to write, its task goes too.
//!
//! | module | |
//! |---|---|
//! | `connections` | all connections, and who has each |
//! | `connection` | the task of one, from its accept to its end |
//! | `handover` | which streams are taken over from hyper, and when |
//! | `watched` | the I/O below hyper, which sees that the head has left |
//! | `streaming`, `chunk` | a stream on a bare socket |
//! | `resting`, `writer` | a stream that has nothing to write; a task that writes to many of them |
//! | `stall` | an end to peers that take no bytes |

mod chunk;
mod connection;
mod connections;
mod handover;
mod resting;
mod stall;
mod streaming;
mod watched;
mod writer;

use std::{
    future::{Future, IntoFuture, pending},
    io,
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use futures_util::future::BoxFuture;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(super) use self::handover::Endless;
use self::{connection::Shared, connections::Connections};

/// How many connections the kernel holds that were not accepted yet (capped by `net.core.somaxconn`).
const BACKLOG: i32 = 4_096;
/// See [`Serve::head_bytes`].
const HEAD_BYTES: usize = 64 << 10;
/// See [`Serve::send_buffer`].
const SEND_BUFFER: usize = 16 << 10;
/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a router, over HTTP/1 and HTTP/2. Handlers find the peer's address as `ConnectInfo<SocketAddr>`.
///
/// A stream of HTTP/1.1 gets its socket for itself: hyper parses the request and writes the head of the response, and when
/// that has left, hyper and its buffers go. The client reads what it would read otherwise, to the byte, and when the stream has
/// ended the connection serves the next request; what the client sends before that is kept, up to
/// [`head_bytes`](Serve::head_bytes), and who sends more is cut. Layers around the routes stay around the stream's body.
/// Left to hyper are streams over HTTP/2 and HTTP/1.0, answers to HEAD, to requests with a body or `Upgrade`, and responses that
/// a layer has encoded or given a length.
///
/// ```no_run
/// # async fn f(app: axum::Router, ctrl_c: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
/// tidings::serve(listener, app).with_graceful_shutdown(ctrl_c).await?;
/// # Ok(()) }
/// ```
pub fn serve(listener: TcpListener, router: Router) -> Serve {
    Serve {
        listener,
        router,
        head_timeout: Duration::from_secs(10),
        head_bytes: HEAD_BYTES,
        idle_timeout: Duration::from_secs(130),
        stall: Duration::from_secs(60),
        send_buffer: SEND_BUFFER,
        shutdown: Box::pin(pending()),
        shutdown_timeout: Duration::from_secs(10),
    }
}

/// A server that runs when awaited, from [`serve`].
#[must_use = "await it"]
pub struct Serve {
    listener: TcpListener,
    router: Router,
    head_timeout: Duration,
    head_bytes: usize,
    idle_timeout: Duration,
    stall: Duration,
    send_buffer: usize,
    shutdown: BoxFuture<'static, ()>,
    shutdown_timeout: Duration,
}

impl std::fmt::Debug for Serve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Serve {
    /// How long a peer may take to send a request head. Over HTTP/1.1 one that has begun is answered with 408 `requestTimeout`.
    /// Defaults to 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
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

    /// How long a peer may take no byte of what is waiting for it before it is dropped. Defaults to 60 s.
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

    async fn run(self) -> io::Result<()> {
        // Listening again on a listening socket only sets its backlog.
        socket2::SockRef::from(&self.listener).listen(BACKLOG)?;
        let mut http1 = http1::Builder::new();
        http1.timer(TokioTimer::new()).header_read_timeout(self.head_timeout).max_buf_size(self.head_bytes);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2.timer(TokioTimer::new()).max_header_list_size(u32::try_from(self.head_bytes).unwrap_or(u32::MAX));
        let shared = Arc::new(Shared {
            router: self.router,
            http1,
            http2,
            head_timeout: self.head_timeout,
            head_bytes: self.head_bytes,
            idle_timeout: self.idle_timeout,
            stall: self.stall,
            send_buffer: self.send_buffer,
            stopping: watch::Sender::new(false),
        });
        let mut shutdown = pin!(self.shutdown);
        let mut connections = Connections::new(shared.clone());
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((socket, peer)) => connections.add(prepare(socket), peer),
                    Err(error) => pause_after(&error).await,
                },
                () = connections.changed() => {}
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

fn prepare(socket: TcpStream) -> TcpStream {
    // Frames are small and wanted now. A socket that refuses this is about to fail anyway.
    let _ = socket.set_nodelay(true);
    socket
}

/// A connection that broke before it was accepted is nobody's loss; anything else (no file descriptors left) passes, and
/// asking again at once would only burn the processor.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "accepting a connection failed");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

impl IntoFuture for Serve {
    type Output = io::Result<()>;
    type IntoFuture = BoxFuture<'static, io::Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
