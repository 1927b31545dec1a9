//! A stream without hyper, while it has a task, and the rest of its connection after it has ended.

use std::{future::poll_fn, io, pin::Pin, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use tokio::{
    net::TcpStream,
    time::{Sleep, sleep},
};

use super::{
    accept::Peer,
    handover::TakenStream,
    resting::{Resting, Unfinished},
    shared::Shared,
    stall::Stall,
    streaming::Streaming,
    transport::Transport,
};
use crate::core::Link;

/// How long a stream that has caught up keeps a task of its own, because a slow reader is soon behind again.
const CAUGHT_UP: Duration = Duration::from_secs(1);

/// A connection between two requests, and the bytes already read of the next one. It is boxed, because every value
/// across an await in a task adds to each stream's memory.
pub(super) struct BufferedSocket<S> {
    pub(super) socket: Stall<S>,
    pub(super) read: Bytes,
}

/// A stream without hyper.
pub(super) struct Stream<S> {
    streaming: Streaming<Stall<S>>,
    /// The stream's link, if it belongs to a hub.
    link: Option<Arc<Link>>,
    pub(super) peer: Peer,
    /// Whether its head says that the connection ends with the stream.
    pub(super) last: bool,
    /// Whether the stream has been behind.
    was_behind: bool,
}

impl<S: Transport> Stream<S> {
    /// The stream that hyper returned; `early` are the bytes that were read after the request.
    pub(super) fn new(socket: Stall<S>, taken: TakenStream, early: Vec<u8>, peer: Peer) -> Self {
        let TakenStream { body, link, last } = taken;
        if let Some(link) = &link {
            link.set_own_clock();
        }
        Self { streaming: Streaming::new(socket, body, early), link, peer, last, was_behind: false }
    }

    pub(super) fn into_rest(self) -> Box<BufferedSocket<S>> {
        let (mut socket, read) = self.streaming.into_parts();
        socket.get_ref().end_stream();
        socket.pause();
        Box::new(BufferedSocket { socket, read })
    }

    /// Whether the stream could wait for more without a task: nothing is left to write, and no page of the log is being
    /// read.
    fn is_caught_up(&self) -> bool {
        S::RESTS && self.streaming.is_caught_up() && !self.link.as_ref().is_some_and(|link| link.is_reading())
    }

    /// Writes until the stream has ended or may rest. Returns whether it has ended.
    pub(super) async fn write(&mut self) -> io::Result<bool> {
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
    /// Continues a stream that cannot stay at rest.
    pub(super) fn resume(resting: Resting, unfinished: Unfinished, shared: &Shared) -> Self {
        let Resting { socket, body, link, peer, last, .. } = resting;
        let Unfinished { chunk, early, has_ended } = unfinished;
        let body = (!has_ended).then_some(body);
        let streaming = Streaming::resume(Stall::begun(socket, shared.stall), body, chunk, early);
        Self { streaming, link, peer, last, was_behind: true }
    }

    /// The stream at rest, or itself if it has something to write.
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
