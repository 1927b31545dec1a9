//! A stream on a socket of its own: its body, the chunk that is being written, and the bytes that the client sends
//! meanwhile.

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

/// How many bytes of a client are read at once after its request; usually no bytes follow.
pub(super) const READ_BYTES: usize = 512;
/// How many of these bytes are kept for the next requests: a few heads. Each stream may hold as much.
const EARLY_BYTES: usize = 8 << 10;
/// A chunk of up to this size is copied and written as one buffer, because the kernel takes longer for several parts
/// (0.6 µs of the 9 µs that sending a small chunk takes).
pub(super) const COPY_BYTES: usize = 8 << 10;

#[derive(Debug)]
pub(super) struct Streaming<S> {
    socket: S,
    /// The body; `None` when it has ended.
    body: Option<Body>,
    chunk: Chunk,
    /// The bytes that the client has sent after its request: the next requests, answered when this answer has ended.
    early: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Streaming<S> {
    pub(super) fn new(socket: S, body: Body, early: Vec<u8>) -> Self {
        Self::resume(socket, Some(body), Chunk::default(), early)
    }

    /// Continues a stream that has to write this chunk next.
    pub(super) fn resume(socket: S, body: Option<Body>, chunk: Chunk, early: Vec<u8>) -> Self {
        Self { socket, body, chunk, early }
    }

    /// Whether the body continues and nothing else is left.
    pub(super) fn is_caught_up(&self) -> bool {
        self.body.is_some() && self.chunk.is_written() && self.early.is_empty()
    }

    /// The socket and the body, if nothing else is left.
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
                // A frame without data would be trailers, which the head has not announced.
                Some(Ok(frame)) => self.chunk = frame.into_data().map(Chunk::of).unwrap_or_default(),
                // Without a last chunk, the client sees that the body was cut off.
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

    /// Reads and keeps what the client has sent, and fails if the client has gone.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        while Pin::new(&mut self.socket).poll_read(cx, &mut read)?.is_ready() {
            if read.filled().is_empty() {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client has gone"));
            }
            if self.early.len() + read.filled().len() > EARLY_BYTES {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "the client sent more than is kept after its request",
                ));
            }
            self.early.extend_from_slice(read.filled());
            read.clear();
        }
        Ok(())
    }

    /// The socket, and the bytes that the client has sent after its request.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.socket, self.early.into())
    }
}
