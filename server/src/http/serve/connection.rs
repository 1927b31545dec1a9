//! One connection, from its accept to its end. hyper serves HTTP/2 to the end; it serves HTTP/1 until a stream begins,
//! which continues without hyper, and after the stream hyper serves the next requests.
//!
//! Each of these phases is boxed, and dropped when the next begins. During them the connection has a task; an idle
//! stream has none, and belongs to a writer until it needs a task again.

use std::{future::poll_fn, io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::yield_now,
};

use super::{
    accept::Peer,
    exchanges::Exchanges,
    http1::{self, Next},
    http2,
    shared::Shared,
    stall::{PREFACE, Stall},
    stream::{BufferedSocket, Stream},
    transport::Transport,
};

/// How many bytes of a client's first data are read at once; most heads are shorter.
const BEGIN_BYTES: usize = 1 << 10;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What remains of a connection when its task ends: its stream, if that is idle, or nothing.
pub(super) type Ended<S> = Result<Option<Box<Stream<S>>>, Error>;

/// A connection whose HTTP version is known.
struct Accepted<S> {
    socket: Stall<S>,
    peer: Peer,
    exchanges: Arc<Exchanges>,
    is_http2: bool,
    /// The bytes that were read to find out.
    read: Bytes,
}

/// Serves a connection, until it ends or its stream is idle.
pub(super) fn serve<S: Transport>(
    shared: Arc<Shared>,
    socket: S,
    peer: Peer,
    exchanges: Arc<Exchanges>,
) -> impl Future<Output = Ended<S>> + Send {
    let socket = Stall::new(socket, shared.head_timeout, shared.stall);
    let beginning = Box::pin(begin(shared.clone(), socket, peer, exchanges));
    async move {
        let Some(Accepted { socket, peer, exchanges, is_http2, read }) = beginning.await? else { return Ok(None) };
        if is_http2 {
            Box::pin(http2::serve(&shared, socket, read, peer, exchanges)).await?;
            return Ok(None);
        }
        let rest = Box::new(BufferedSocket { socket, read });
        let after = Box::pin(serve_first(&shared, rest, peer, exchanges.clone())).await?;
        Box::pin(answer(shared, after, peer, exchanges)).await
    }
}

/// Lets hyper serve requests, as soon as the first of them may begin.
async fn serve_first<S: Transport>(
    shared: &Shared,
    rest: Box<BufferedSocket<S>>,
    peer: Peer,
    exchanges: Arc<Exchanges>,
) -> hyper::Result<Next<S>> {
    let mut permit = shared.arrivals.acquire().await.ok();
    // The request holds its permit while it stands in the runtime's queue, so that no more than these stand there.
    yield_now().await;
    let mut serving = pin!(http1::serve(shared, rest, peer, exchanges));
    poll_fn(|cx| {
        let polled = serving.as_mut().poll(cx);
        // While this request waits for something, such as the application's database, the next one may begin.
        permit = None;
        polled
    })
    .await
}

/// Serves a connection whose stream is no longer idle.
pub(super) fn go_on<S: Transport>(
    shared: Arc<Shared>,
    stream: Box<Stream<S>>,
    exchanges: Arc<Exchanges>,
) -> impl Future<Output = Ended<S>> + Send {
    let peer = stream.peer;
    answer(shared, Next::Stream(stream), peer, exchanges)
}

/// Handles what hyper returns, and lets hyper serve the next requests, repeatedly.
async fn answer<S: Transport>(
    shared: Arc<Shared>,
    mut after: Next<S>,
    peer: Peer,
    exchanges: Arc<Exchanges>,
) -> Ended<S> {
    // Whether there was a request yet, and for how long there has been none.
    let (mut is_known, mut quiet) = (false, Duration::ZERO);
    loop {
        let (rest, ends) = match after {
            Next::End => return Ok(None),
            Next::Stream(mut stream) => {
                let exchange = exchanges.begin();
                let has_ended = Box::pin(stream.write()).await?;
                if !has_ended {
                    return Ok(Some(stream));
                }
                drop(exchange);
                (is_known, quiet) = (true, Duration::ZERO);
                let last = stream.last || shared.is_stopping() || peer.is_retired();
                (stream.into_rest(), last)
            }
            Next::Quiet { rest, served } => {
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
        after = Box::pin(http1::serve(&shared, rest, peer, exchanges.clone())).await?;
    }
}

async fn close<S: Transport>(mut rest: Box<BufferedSocket<S>>) -> io::Result<()> {
    rest.socket.shutdown().await
}

/// Reads until it is clear which HTTP version the client speaks. Returns `None` when the server stops before that.
async fn begin<S: Transport>(
    shared: Arc<Shared>,
    mut socket: Stall<S>,
    peer: Peer,
    exchanges: Arc<Exchanges>,
) -> io::Result<Option<Accepted<S>>> {
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
    Ok(Some(Accepted { socket, peer, exchanges, is_http2: read.starts_with(PREFACE), read }))
}

#[cfg(test)]
mod tests;
