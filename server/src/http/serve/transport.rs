//! What connections run on.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};

/// A socket, or what behaves as one.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Whether a stream on it may rest.
    const RESTS: bool;

    /// A stream begins: bounds what the kernel keeps of what a slow client has not taken, in bytes, and for how long it waits for a peer
    /// that acknowledges nothing, as one that has vanished.
    fn begin_stream(&self, send_buffer: usize, stall: Duration);

    /// The stream has ended: what comes next may be a download that its reader pauses.
    fn end_stream(&self) {}
}

impl Transport for TcpStream {
    const RESTS: bool = true;

    fn begin_stream(&self, send_buffer: usize, stall: Duration) {
        // Without them the kernel's own, much larger, bounds hold.
        let _ = socket2::SockRef::from(self).set_send_buffer_size(send_buffer);
        wait_for_peer(self, Some(stall));
    }

    fn end_stream(&self) {
        wait_for_peer(self, None);
    }
}

/// How long the kernel waits for a peer to acknowledge what was sent (`TCP_USER_TIMEOUT`, RFC 5482). By itself it goes on for a quarter of
/// an hour when a peer has vanished without a word.
fn wait_for_peer(socket: &TcpStream, limit: Option<Duration>) {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    let _ = socket2::SockRef::from(socket).set_tcp_user_timeout(limit);
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    let _ = (socket, limit);
}
