//! HTTP/1, served by hyper until a stream begins.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidings_protocol::problem::{CONTENT_TYPE, Code, Problem};
use tokio::io::AsyncWriteExt;

use super::{
    accept::Peer,
    exchanges::Exchanges,
    handover::Handover,
    service::service,
    shared::Shared,
    stall::Stall,
    stream::{BufferedSocket, Stream},
    transport::Transport,
    watched::Watched,
};

/// What hyper returns.
pub(super) enum Next<S> {
    /// A stream that continues without hyper.
    Stream(Box<Stream<S>>),
    /// A client that has sent nothing for the time of a head, or has begun a head within it; and whether it was served
    /// before.
    Quiet { rest: Box<BufferedSocket<S>>, served: bool },
    /// The connection has ended.
    End,
}

/// hyper's settings, with the limits on heads.
pub(super) fn builder(head_timeout: Duration, head_bytes: usize) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(head_bytes);
    builder
}

/// Lets hyper serve requests, until an answer is a stream that can be taken over, or no request comes for some time, or
/// the connection ends. hyper has one timer for the time between two requests and for the time of a head; it is set to
/// the time of a head, and a client that was served before may let it expire several times.
pub(super) async fn serve<S: Transport>(
    shared: &Shared,
    rest: Box<BufferedSocket<S>>,
    peer: Peer,
    exchanges: Arc<Exchanges>,
) -> hyper::Result<Next<S>> {
    let BufferedSocket { mut socket, read } = *rest;
    let has_begun = !read.is_empty();
    exchanges.reset();
    let handover = Arc::new(Handover::default());
    socket.pause_until(handover.begun());
    let io = TokioIo::new(Watched::new(socket, read, handover.clone()));
    let service = service(shared.router.clone(), peer, exchanges.clone(), Some(handover.clone()));
    let mut connection = shared.http1.serve_connection(io, service).with_upgrades();
    let ended = {
        let mut stopped = pin!(async {
            tokio::select! {
                () = shared.stopped() => {}
                () = peer.retired() => {}
            }
        });
        let mut is_told = false;
        poll_fn(|cx| {
            let mut connection = Pin::new(&mut connection);
            if !is_told && stopped.as_mut().poll(cx).is_ready() {
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
            match connection.poll(cx) {
                Poll::Ready(ended) => Poll::Ready(ended.map(|()| None)),
                Poll::Pending => handover.take().map_or(Poll::Pending, |taken| Poll::Ready(Ok(Some(taken)))),
            }
        })
        .await
    };
    let ended = match ended {
        Err(error) if error.is_timeout() => {
            let Some(parts) = connection.into_parts() else { return Err(error) };
            let (socket, unread) = parts.io.into_inner().into_parts();
            let read = Bytes::from([parts.read_buf, unread].concat());
            let served = exchanges.have_served();
            if read.is_empty() || served || !has_begun {
                return Ok(Next::Quiet { rest: Box::new(BufferedSocket { socket, read }), served });
            }
            refuse_late(socket).await;
            return Err(error);
        }
        ended => ended?,
    };
    // The connection was upgraded, so there are no parts, and it has ended for us.
    let (Some(taken), Some(parts)) = (ended, connection.into_parts()) else { return Ok(Next::End) };
    let (mut socket, unread) = parts.io.into_inner().into_parts();
    socket.get_ref().begin_stream(shared.send_buffer, shared.stall);
    socket.resume();
    let early = [parts.read_buf, unread].concat();
    Ok(Next::Stream(Box::new(Stream::new(socket, taken, early, peer))))
}

/// Answers a client whose request head has begun and does not end; hyper would only close the connection.
async fn refuse_late<S: Transport>(mut socket: Stall<S>) {
    let body = serde_json::to_string(&Problem::new(Code::RequestTimeout)).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // A client that does not read the answer is gone.
    if socket.write_all(answer.as_bytes()).await.is_ok() {
        let _ = socket.shutdown().await;
    }
}
