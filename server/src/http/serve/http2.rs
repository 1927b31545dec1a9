//! HTTP/2, served by hyper to the end.

use std::{pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{
    accept::Peer, cut::Cutting, exchanges::Exchanges, service::service, shared::Shared, stall::Stall,
    transport::Transport, watched::Watched,
};

/// How often a client is pinged, and how long it may take to answer: a client that has vanished is dropped after a
/// minute.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(30);

/// hyper's settings, with the limit on heads.
pub(super) fn builder(head_bytes: usize) -> http2::Builder<Cutting> {
    let mut builder = http2::Builder::new(Cutting);
    builder.keep_alive_interval(Some(PING_INTERVAL)).keep_alive_timeout(PING_TIMEOUT);
    builder.timer(TokioTimer::new()).max_header_list_size(u32::try_from(head_bytes).unwrap_or(u32::MAX));
    builder
}

/// Serves a connection to its end.
pub(super) async fn serve<S: Transport>(
    shared: &Shared,
    mut socket: Stall<S>,
    read: Bytes,
    peer: Peer,
    exchanges: Arc<Exchanges>,
) -> hyper::Result<()> {
    socket.resume();
    let io = TokioIo::new(Watched::new(socket, read, Arc::default()));
    let service = service(shared.router.clone(), peer, exchanges.clone(), None);
    let mut connection = pin!(shared.http2.serve_connection(io, service));
    let is_idle = tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shared.stopped() => false,
        // The hub's streams then end by themselves; see `RetiresAt`.
        () = peer.retired() => false,
        // hyper has no timer for the heads of HTTP/2, nor for connections without any.
        () = exchanges.idle(shared.head_timeout, shared.idle_timeout) => true,
    };
    connection.as_mut().graceful_shutdown();
    if is_idle {
        // A client that does not answer is gone.
        return tokio::time::timeout(shared.head_timeout, connection).await.unwrap_or(Ok(()));
    }
    connection.await
}
