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

/// How many connections the kernel holds that were not accepted yet (capped by `net.core.somaxconn`).
const BACKLOG: i32 = 4_096;
/// Whether an accepted socket inherits the options of its listener.
const INHERITS: bool = cfg!(any(target_os = "android", target_os = "linux"));
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

/// Gives a listener a deep backlog, and the options that its sockets inherit. To set them on each socket would take five
/// system calls for each client of a storm.
pub(super) fn prepare(listener: &TcpListener) -> io::Result<()> {
    let listener = socket2::SockRef::from(listener);
    // A second `listen` on a listening socket only sets its backlog.
    listener.listen(BACKLOG)?;
    if INHERITS {
        set_options(&listener);
    }
    Ok(())
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
                Ok((socket, peer)) => {
                    if !INHERITS {
                        set_options(&socket2::SockRef::from(&socket));
                    }
                    return (Accepted::Tcp(socket), Some(peer));
                }
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
        (Some(socket), _) => {
            set_options(&socket2::SockRef::from(&socket));
            (Accepted::Tcp(socket), address)
        }
        (None, Some(io)) => (Accepted::Other(Other(io)), address),
        (None, None) => unreachable!("it was not taken"),
    }
}

/// Sets the options of every socket. A socket that refuses one is about to fail anyway.
fn set_options(socket: &socket2::SockRef<'_>) {
    // Frames are small and must leave at once.
    let _ = socket.set_tcp_nodelay(true);
    // Keep-alive detects a client that has vanished while nothing is written to it.
    let _ = socket.set_tcp_keepalive(&keep_alive());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_accepted_socket_sends_at_once_and_notices_that_its_peer_has_vanished() {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        prepare(&listener).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (Accepted::Tcp(socket), _) = accept(&mut listener, &Complaints::default()).await else {
            panic!("a TCP listener yields TCP sockets")
        };
        let socket = socket2::SockRef::from(&socket);
        assert!(socket.tcp_nodelay().unwrap());
        assert!(socket.keepalive().unwrap());
        #[cfg(target_os = "linux")]
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
    }
}
