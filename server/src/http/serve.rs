//! `tidings::serve`: a listener of our own, for what `axum::serve` does not set: a deep backlog (a storm of reconnects
//! overflows the usual one, and each dropped SYN costs its client a second), limits on the request head, and an end to
//! peers that take no bytes.

mod stall;

use std::{
    future::{Future, IntoFuture, pending},
    io,
    net::SocketAddr,
    pin::pin,
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use futures_util::future::BoxFuture;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower::ServiceExt;

/// How many connections the kernel holds that were not accepted yet (capped by `net.core.somaxconn`).
const BACKLOG: i32 = 4_096;
/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves a router. Handlers find the peer's address as `ConnectInfo<SocketAddr>`.
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
        head_bytes: 32 << 10,
        stall: Duration::from_secs(60),
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
    stall: Duration,
    shutdown: BoxFuture<'static, ()>,
    shutdown_timeout: Duration,
}

impl std::fmt::Debug for Serve {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serve").field("listener", &self.listener).finish_non_exhaustive()
    }
}

impl Serve {
    /// How long a peer may take to send a request head. Defaults to 10 s.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// The largest request head, URL included, in bytes; at least 8 KiB. Answered with 431. Defaults to 32 KiB.
    pub fn head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes.max(8 << 10);
        self
    }

    /// How long a peer may take no byte of what is waiting for it before it is dropped. Defaults to 60 s.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.stall = timeout;
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
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.head_timeout).max_buf_size(self.head_bytes);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.head_bytes).unwrap_or(u32::MAX));
        let graceful = GracefulShutdown::new();
        let mut shutdown = pin!(self.shutdown);
        // Dropped with this future, and then they end too.
        let mut connections = JoinSet::new();
        loop {
            let (socket, peer) = tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok(accepted) => accepted,
                    Err(error) => {
                        pause_after(&error).await;
                        continue;
                    }
                },
                Some(_) = connections.join_next() => continue,
                () = &mut shutdown => break,
            };
            let service = TowerToHyperService::new(service(self.router.clone(), peer));
            let io = TokioIo::new(stall::Stall::new(prepare(socket), self.head_timeout, self.stall));
            let connection = graceful.watch(builder.serve_connection_with_upgrades(io, service).into_owned());
            connections.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%peer, error, "connection ended");
                }
            });
        }
        drop(self.listener);
        let _ = tokio::time::timeout(self.shutdown_timeout, graceful.shutdown()).await;
        Ok(())
    }
}

fn prepare(socket: TcpStream) -> TcpStream {
    // Frames are small and wanted now. A socket that refuses this is about to fail anyway.
    let _ = socket.set_nodelay(true);
    socket
}

fn service(
    router: Router,
    peer: SocketAddr,
) -> impl tower::Service<
    http::Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone
+ Send {
    router.map_request(move |request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    })
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
