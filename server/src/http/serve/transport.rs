//! The sockets of connections.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A socket, or a stream of bytes that behaves like one.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether a stream on it may rest without a task.
    const RESTS: bool;

    /// Prepares the socket for a stream: bounds how many bytes the kernel buffers for a slow client, and how long it
    /// waits for a client that acknowledges nothing because it has vanished.
    fn begin_stream(&self, send_buffer: usize, stall: Duration);

    /// Ends that: the next answer may be a download that its client pauses.
    fn end_stream(&self) {}
}

impl Transport for TcpStream {
    const RESTS: bool = true;

    fn begin_stream(&self, send_buffer: usize, stall: Duration) {
        // If this fails, the kernel's own, much larger bounds apply.
        let _ = socket2::SockRef::from(self).set_send_buffer_size(send_buffer);
        wait_for_peer(self, Some(stall));
    }

    fn end_stream(&self) {
        wait_for_peer(self, None);
    }
}

/// Sets how long the kernel waits for a client to acknowledge sent bytes (`TCP_USER_TIMEOUT`, RFC 5482). By default it
/// tries for a quarter of an hour after a client has vanished.
fn wait_for_peer(socket: &TcpStream, limit: Option<Duration>) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket2::SockRef::from(socket).set_tcp_user_timeout(limit);
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = (socket, limit);
}
