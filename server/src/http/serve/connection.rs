//! One connection, from its accept to its end: HTTP/2 by hyper all the way; HTTP/1 by hyper until a stream begins, then
//! without it until the stream ends, and so on.
//!
//! Each of these is in a box of its own, which goes when the next begins. Between them the connection has a task; a stream at rest has
//! none, and is with a writer until it needs one again.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::{HttpService, service_fn},
};
use hyper_util::rt::TokioIo;
use tidings_protocol::problem::{CONTENT_TYPE, Code, Problem};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::{Notify, watch},
    time::{Sleep, sleep},
};
use tower::ServiceExt;

use super::{
    accept::{Peer, RetiresAt},
    cut::{self, Cutting},
    handover::{Endless, Handover, Taken, Terms},
    resting::{Resting, Unfinished},
    stall::{PREFACE, Stall},
    streaming::Streaming,
    watched::Watched,
};
use crate::core::Link;

/// For how long a stream that has caught up has a task of its own: who reads slowly is soon behind again.
const CAUGHT_UP: Duration = Duration::from_secs(1);

/// How much of a client's first words is read at once: most heads are shorter.
const BEGIN_BYTES: usize = 1 << 10;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What a connection leaves when its task ends: its stream, if that rests, or nothing.
pub(super) type Ended<S> = Result<Option<Box<Stream<S>>>, Error>;

/// What the connections of a server share.
pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Cutting>,
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) stall: Duration,
    pub(super) send_buffer: usize,
    pub(super) stopping: watch::Sender<bool>,
}

impl Shared {
    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ready when the server stops.
    async fn stopped(&self) {
        // The sender is in `self`.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}

/// What connections run on.
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

/// A connection of which is known what hyper has to know.
struct Begun<S> {
    socket: Stall<S>,
    peer: Peer,
    is_http2: bool,
    /// What it took to tell.
    read: Bytes,
}

/// What hyper leaves.
enum After<S> {
    /// A stream that can go on without it.
    Stream(Box<Stream<S>>),
    /// A client that has said nothing for the time of a head, or has begun one within it; and whether it was served before.
    Quiet { rest: Box<Rest<S>>, served: bool },
    /// Nothing.
    End,
}

/// A connection between two requests, and what has been read of the next one. In a box, because what stands in a task across an
/// await counts for every stream.
struct Rest<S> {
    socket: Stall<S>,
    read: Bytes,
}

impl<S: Transport> Stream<S> {
    fn into_rest(self) -> Box<Rest<S>> {
        let (mut socket, read) = self.streaming.into_parts();
        socket.get_ref().end_stream();
        socket.pause();
        Box::new(Rest { socket, read })
    }
}

/// A stream without hyper.
pub(super) struct Stream<S> {
    streaming: Streaming<Stall<S>>,
    /// Whose it is, if it is a hub's.
    link: Option<Arc<Link>>,
    peer: Peer,
    /// Whether its head says that the connection ends with it.
    last: bool,
    /// Whether it has been behind.
    was_behind: bool,
}

impl<S: Transport> Stream<S> {
    /// Whether it could wait for more without a task: it has nothing to write, and no page of the log is on its way.
    fn is_caught_up(&self) -> bool {
        S::RESTS && self.streaming.is_caught_up() && !self.link.as_ref().is_some_and(|link| link.is_reading())
    }

    /// Writes until the stream has ended, or may rest. Returns whether it has ended.
    async fn write(&mut self) -> io::Result<bool> {
        let mut caught_up: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if let Poll::Ready(ended) = self.streaming.poll(cx) {
                return Poll::Ready(ended.map(|()| true));
            }
            if !self.is_caught_up() {
                self.was_behind = true;
                caught_up = None;
                return Poll::Pending;
            }
            if !self.was_behind {
                return Poll::Ready(Ok(false));
            }
            let caught_up = caught_up.get_or_insert_with(|| Box::pin(sleep(CAUGHT_UP)));
            caught_up.as_mut().poll(cx).map(|()| Ok(false))
        })
        .await
    }
}

impl Stream<TcpStream> {
    /// A stream that rests no longer.
    pub(super) fn resume(resting: Resting, unfinished: Unfinished, shared: &Shared) -> Self {
        let Resting { socket, body, link, peer, last, .. } = resting;
        let Unfinished { chunk, early, has_ended } = unfinished;
        let body = (!has_ended).then_some(body);
        let streaming = Streaming::resume(Stall::begun(socket, shared.stall), body, chunk, early);
        Self { streaming, link, peer, last, was_behind: true }
    }

    /// Itself if it has something to write.
    pub(super) fn into_resting(self) -> Result<Resting, Box<Self>> {
        let Self { streaming, link, peer, last, was_behind } = self;
        match streaming.into_caught_up() {
            Ok((socket, body)) => {
                Ok(Resting { socket: socket.into_inner(), body, link, peer, last, is_listening: false })
            }
            Err(streaming) => Err(Box::new(Self { streaming, link, peer, last, was_behind })),
        }
    }
}

/// Serves one connection, until it ends or its stream rests.
pub(super) fn serve<S: Transport>(shared: Arc<Shared>, socket: S, peer: Peer) -> impl Future<Output = Ended<S>> + Send {
    let socket = Stall::new(socket, shared.head_timeout, shared.stall);
    let beginning = Box::pin(begin(shared.clone(), socket, peer));
    async move {
        let Some(Begun { socket, peer, is_http2, read }) = beginning.await? else { return Ok(None) };
        if is_http2 {
            Box::pin(serve_http2(&shared, socket, read, peer)).await?;
            return Ok(None);
        }
        let after = Box::pin(serve_http1(&shared, Box::new(Rest { socket, read }), peer)).await?;
        Box::pin(answer(shared, after, peer)).await
    }
}

/// Serves a connection whose stream rests no longer.
pub(super) fn go_on<S: Transport>(
    shared: Arc<Shared>,
    stream: Box<Stream<S>>,
) -> impl Future<Output = Ended<S>> + Send {
    let peer = stream.peer;
    answer(shared, After::Stream(stream), peer)
}

/// Sees to what hyper has left, and lets it serve the next requests, and so on.
async fn answer<S: Transport>(shared: Arc<Shared>, mut after: After<S>, peer: Peer) -> Ended<S> {
    // Whether there was a request yet, and for how long there has been none.
    let (mut is_known, mut quiet) = (false, Duration::ZERO);
    loop {
        let (rest, ends) = match after {
            After::End => return Ok(None),
            After::Stream(mut stream) => {
                let has_ended = Box::pin(stream.write()).await?;
                if !has_ended {
                    return Ok(Some(stream));
                }
                (is_known, quiet) = (true, Duration::ZERO);
                let last = stream.last || shared.is_stopping() || peer.is_retired();
                (stream.into_rest(), last)
            }
            After::Quiet { rest, served } => {
                is_known |= served;
                quiet = if served { Duration::ZERO } else { quiet } + shared.head_timeout;
                let over = !is_known || quiet >= shared.idle_timeout || shared.is_stopping() || peer.is_retired();
                let ends = rest.read.is_empty() && over;
                (rest, ends)
            }
        };
        if ends {
            Box::pin(close(rest)).await?;
            return Ok(None);
        }
        after = Box::pin(serve_http1(&shared, rest, peer)).await?;
    }
}

async fn close<S: Transport>(mut rest: Box<Rest<S>>) -> io::Result<()> {
    rest.socket.shutdown().await
}

/// Reads until it is clear which HTTP the client speaks. `None` when the server stops before that.
async fn begin<S: Transport>(shared: Arc<Shared>, mut socket: Stall<S>, peer: Peer) -> io::Result<Option<Begun<S>>> {
    let mut bytes = [0; BEGIN_BYTES];
    let mut count = 0;
    let read = async {
        while count < PREFACE.len() && bytes[..count] == PREFACE[..count] {
            match socket.read(&mut bytes[count..]).await? {
                0 => break,
                read => count += read,
            }
        }
        io::Result::Ok(())
    };
    tokio::select! {
        read = read => read?,
        () = shared.stopped() => return Ok(None),
    }
    let read = Bytes::copy_from_slice(&bytes[..count]);
    Ok(Some(Begun { socket, peer, is_http2: read.starts_with(PREFACE), read }))
}

/// Lets hyper serve requests, until one of them is answered by a stream that can be taken over, or none comes for some time, or
/// to the end. hyper has one clock for both the time between two requests and the time of a head; it is that of the head, and
/// who has been served may let it go by several times.
async fn serve_http1<S: Transport>(shared: &Shared, rest: Box<Rest<S>>, peer: Peer) -> hyper::Result<After<S>> {
    let Rest { socket, read } = *rest;
    let has_begun = !read.is_empty();
    let exchanges = Arc::new(Exchanges::default());
    let handover = Arc::new(Handover::default());
    let mut socket = socket;
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
            let served = exchanges.served.load(Ordering::Relaxed);
            if read.is_empty() || served || !has_begun {
                return Ok(After::Quiet { rest: Box::new(Rest { socket, read }), served });
            }
            refuse_late(socket).await;
            return Err(error);
        }
        ended => ended?,
    };
    // There are no parts of a connection that became something else, and that has ended for us.
    let (Some(taken), Some(parts)) = (ended, connection.into_parts()) else { return Ok(After::End) };
    let (mut socket, unread) = parts.io.into_inner().into_parts();
    socket.get_ref().begin_stream(shared.send_buffer, shared.stall);
    socket.resume();
    let early = [parts.read_buf, unread].concat();
    let Taken { body, link, last } = taken;
    if let Some(link) = &link {
        link.set_own_clock();
    }
    let streaming = Streaming::new(socket, body, early);
    Ok(After::Stream(Box::new(Stream { streaming, link, peer, last, was_behind: false })))
}

/// Says why to a client whose request head has begun and does not end; hyper would only close.
async fn refuse_late<S: Transport>(mut socket: Stall<S>) {
    let body = serde_json::to_string(&Problem::new(Code::RequestTimeout)).unwrap_or_default();
    let answer = format!(
        "HTTP/1.1 408 Request Timeout\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Whoever does not take it is gone.
    if socket.write_all(answer.as_bytes()).await.is_ok() {
        let _ = socket.shutdown().await;
    }
}

async fn serve_http2<S: Transport>(
    shared: &Shared,
    mut socket: Stall<S>,
    read: Bytes,
    peer: Peer,
) -> hyper::Result<()> {
    socket.resume();
    let io = TokioIo::new(Watched::new(socket, read, Arc::default()));
    let exchanges = Arc::new(Exchanges::default());
    let service = service(shared.router.clone(), peer, exchanges.clone(), None);
    let mut connection = pin!(shared.http2.serve_connection(io, service));
    let is_idle = tokio::select! {
        ended = connection.as_mut() => return ended,
        () = shared.stopped() => false,
        // Streams of the hub end by themselves then, see `RetiresAt`.
        () = peer.retired() => false,
        // hyper has no clock on the heads of HTTP/2, nor on connections without any.
        () = exchanges.idle(shared.head_timeout, shared.idle_timeout) => true,
    };
    connection.as_mut().graceful_shutdown();
    if is_idle {
        // Whoever does not answer is gone.
        return tokio::time::timeout(shared.head_timeout, connection).await.unwrap_or(Ok(()));
    }
    connection.await
}

/// The requests of one connection that are being answered. Small, for it is made for every stream, and goes when that is taken over.
#[derive(Debug, Default)]
struct Exchanges {
    served: AtomicBool,
    open: AtomicUsize,
    changed: Notify,
}

impl Exchanges {
    /// Ready when there has been no first request for this long, or no further one.
    async fn idle(&self, first: Duration, further: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.open.load(Ordering::Acquire) > 0 {
                changed.await;
                continue;
            }
            let limit = if self.served.load(Ordering::Relaxed) { further } else { first };
            if tokio::time::timeout(limit, changed).await.is_err() {
                return;
            }
        }
    }
}

/// One of them, until its answer has ended.
struct Exchange(Arc<Exchanges>);

impl Exchange {
    fn begin(exchanges: &Arc<Exchanges>) -> Self {
        exchanges.served.store(true, Ordering::Relaxed);
        exchanges.open.fetch_add(1, Ordering::AcqRel);
        exchanges.changed.notify_waiters();
        Self(exchanges.clone())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }
}

/// The body of an answer, which is open as long as that is.
struct Answering {
    body: Body,
    _exchange: Exchange,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The router as hyper calls it.
fn service(
    router: Router,
    peer: Peer,
    exchanges: Arc<Exchanges>,
    handover: Option<Arc<Handover>>,
) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> {
    service_fn(move |request: Request<Incoming>| {
        let exchange = Exchange::begin(&exchanges);
        let mut request = request.map(Body::new);
        if let Some(address) = peer.address {
            request.extensions_mut().insert(ConnectInfo(address));
        }
        if let Some(at) = peer.retires {
            request.extensions_mut().insert(RetiresAt(at));
        }
        let is_http2 = handover.is_none();
        let all = handover.clone();
        let handover = handover.clone().and_then(|handover| Some((handover, Terms::of(&request)?)));
        let response = router.clone().oneshot(request);
        async move {
            let response = response.await?;
            if let Some(all) = all.filter(|_| response.extensions().get::<Endless>().is_some()) {
                all.begin();
            }
            if is_http2 && let Some(Endless(Some(link))) = response.extensions().get() {
                cut::lend(link);
            }
            Ok(match handover {
                Some((handover, terms)) => handover.offer(terms, response),
                None if is_http2 => response.map(|body| Body::new(Answering { body, _exchange: exchange })),
                None => response,
            })
        }
    })
}

#[cfg(test)]
mod tests;
