//! A stream on a socket of its own: its body, the chunk that is being written, and what the client says meanwhile.

use std::{
    io::{self, ErrorKind},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::chunk::{Chunk, Line};

/// How much is read at once of what a client says behind its request, which is mostly nothing.
pub(super) const READ_BYTES: usize = 512;
/// How much of it is kept for the requests to come: a few heads. Each stream may hold as much.
const EARLY_BYTES: usize = 8 << 10;
/// Up to this size a chunk is copied together and written as one piece: what the kernel does to take several parts costs more
/// (0.6 µs of the 9 that sending a small one takes).
pub(super) const COPY_BYTES: usize = 8 << 10;

#[derive(Debug)]
pub(super) struct Streaming<S> {
    socket: S,
    /// Gone when it has ended.
    body: Option<Body>,
    chunk: Chunk,
    /// What the client has sent behind its request: the next ones, answered when this one's answer has ended.
    early: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Streaming<S> {
    pub(super) fn new(socket: S, body: Body, early: Vec<u8>) -> Self {
        Self::resume(socket, Some(body), Chunk::default(), early)
    }

    /// A stream of which this chunk has to be written next.
    pub(super) fn resume(socket: S, body: Option<Body>, chunk: Chunk, early: Vec<u8>) -> Self {
        Self { socket, body, chunk, early }
    }

    /// Whether there is a body that goes on, and nothing else.
    pub(super) fn is_caught_up(&self) -> bool {
        self.body.is_some() && self.chunk.is_written() && self.early.is_empty()
    }

    /// The socket and the body, where there is nothing else.
    pub(super) fn into_caught_up(self) -> Result<(S, Body), Self> {
        match self {
            Self { socket, body: Some(body), chunk, early, .. } if chunk.is_written() && early.is_empty() => {
                Ok((socket, body))
            }
            other => Err(other),
        }
    }

    /// Ready when the body has ended and its last chunk is written.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.listen(cx)?;
        loop {
            while !self.chunk.is_written() {
                let written = ready!(self.write(cx))?;
                if written == 0 {
                    return Poll::Ready(Err(ErrorKind::WriteZero.into()));
                }
                self.chunk.advance(written);
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                // Anything but data would be trailers, which the head has not announced.
                Some(Ok(frame)) => self.chunk = frame.into_data().map(Chunk::of).unwrap_or_default(),
                // Without a last chunk, the client sees that the end is none.
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => {
                    self.body = None;
                    self.chunk = Chunk::last();
                }
            }
        }
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [MaybeUninit::uninit(); COPY_BYTES];
        let mut piece = ReadBuf::uninit(&mut bytes);
        let socket = Pin::new(&mut self.socket);
        if self.chunk.copy_into(&mut piece) {
            socket.poll_write(cx, piece.filled())
        } else {
            socket.poll_write_vectored(cx, &self.chunk.rest(&mut Line::default()))
        }
    }

    /// Hears that the client has gone, and keeps what it says otherwise.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        while Pin::new(&mut self.socket).poll_read(cx, &mut read)?.is_ready() {
            if read.filled().is_empty() {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client has gone"));
            }
            if self.early.len() + read.filled().len() > EARLY_BYTES {
                return Err(io::Error::new(ErrorKind::InvalidData, "the client says too much behind its request"));
            }
            self.early.extend_from_slice(read.filled());
            read.clear();
        }
        Ok(())
    }

    /// The socket again, and what the client has sent behind its request.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.socket, self.early.into())
    }
}
