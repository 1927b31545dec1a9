//! Accepting connections: TCP sockets, which streams may have for themselves, and whatever else axum's `Listener`
//! yields.

use std::{
    any::Any,
    future::pending,
    io::{self, ErrorKind, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep_until},
};

use super::transport::Transport;
use crate::complaints::Complaints;

/// How long to wait when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// An accepted connection.
pub(super) enum Accepted<Io> {
    Tcp(TcpStream),
    Other(Other<Io>),
}

/// The client's address, and when its connection reaches its maximal age.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    /// The client's address; `None` for a Unix socket.
    pub(super) address: Option<SocketAddr>,
    /// When the connection reaches its maximal age.
    pub(super) retires: Option<Instant>,
}

/// An extension of a request: when its connection reaches its maximal age, and a stream on it ends so that its client
/// reconnects.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct RetiresAt(pub(in crate::http) Instant);

impl Peer {
    pub(super) fn new(address: Option<SocketAddr>, age: Option<Duration>) -> Self {
        // The age is varied, so that connections of the same age do not end together.
        let spread = |age: Duration| Instant::now() + age.mul_f64(0.9 + 0.2 * fastrand::f64());
        Self { address, retires: age.map(spread) }
    }

    /// Whether the connection has reached its maximal age.
    pub(super) fn is_retired(&self) -> bool {
        self.retires.is_some_and(|at| Instant::now() >= at)
    }

    /// Ready when the connection has reached its maximal age.
    pub(super) async fn retired(self) {
        match self.retires {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }
}

/// Accepts a connection. A TCP listener is polled here and not by axum, which waits a whole second when the process is
/// out of file descriptors.
pub(super) async fn accept<L: Listener>(
    listener: &mut L,
    complaints: &Complaints,
) -> (Accepted<L::Io>, Option<SocketAddr>) {
    if let Some(tcp) = (listener as &mut (dyn Any + Send)).downcast_mut::<TcpListener>() {
        loop {
            match TcpListener::accept(tcp).await {
                Ok((socket, peer)) => return (tcp_socket(socket), Some(peer)),
                Err(error) => pause_after(&error, complaints).await,
            }
        }
    }
    let (io, address) = listener.accept().await;
    let address = (&address as &dyn Any).downcast_ref::<SocketAddr>().copied();
    let mut io = Some(io);
    // A listener that wraps another one yields its sockets.
    let tcp = (&mut io as &mut dyn Any).downcast_mut::<Option<TcpStream>>().and_then(Option::take);
    match (tcp, io) {
        (Some(socket), _) => (tcp_socket(socket), address),
        (None, Some(io)) => (Accepted::Other(Other(io)), address),
        (None, None) => unreachable!("it was not taken"),
    }
}

fn tcp_socket<Io>(socket: TcpStream) -> Accepted<Io> {
    // Frames are small and must leave at once. A socket that refuses the option is about to fail anyway.
    let _ = socket.set_nodelay(true);
    // Keep-alive detects a client that has vanished while nothing is written to it.
    let _ = socket2::SockRef::from(&socket).set_tcp_keepalive(&keep_alive());
    Accepted::Tcp(socket)
}

/// Keep-alive that gives a client up after 60 s.
fn keep_alive() -> socket2::TcpKeepalive {
    let keep_alive = socket2::TcpKeepalive::new().with_time(Duration::from_secs(30));
    #[cfg(any(target_os = "android", target_os = "linux", target_vendor = "apple", target_os = "windows"))]
    let keep_alive = keep_alive.with_interval(Duration::from_secs(10));
    #[cfg(any(target_os = "android", target_os = "linux", target_vendor = "apple"))]
    let keep_alive = keep_alive.with_retries(3);
    keep_alive
}

/// A connection that broke before it was accepted concerns nobody. Any other error (no file descriptors left) is
/// temporary, and retrying at once would only waste processor time.
async fn pause_after(error: &io::Error, complaints: &Complaints) {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        if let Some(left_out) = complaints.due("accept") {
            tracing::error!(left_out, %error, "accepting a connection failed");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

/// Any other transport: a Unix socket, TLS. Its streams are taken over from hyper too, but keep their task.
pub(super) struct Other<Io>(Io);

impl<Io: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Other<Io> {
    const RESTS: bool = false;

    fn begin_stream(&self, _: usize, _: Duration) {}
}

impl<Io: AsyncRead + Unpin> AsyncRead for Other<Io> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<Io: AsyncWrite + Unpin> AsyncWrite for Other<Io> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
