//! A stream at rest: it has written everything, and waits for more without a task of its own. Most streams are in this
//! state most of the time, so it is small.

use std::{
    io::{self, ErrorKind},
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use http_body::Body as _;
use tokio::{
    io::{Interest, ReadBuf},
    net::TcpStream,
};

use super::{
    accept::Peer,
    chunk::{Chunk, Line},
    streaming::{COPY_BYTES, READ_BYTES},
};
use crate::core::Link;

/// A stream with more frames than this at once is catching up.
const FRAMES: usize = 4;

#[derive(Debug)]
pub(super) struct Resting {
    pub(super) socket: TcpStream,
    pub(super) body: Body,
    /// The stream's link, if it belongs to a hub.
    pub(super) link: Option<Arc<Link>>,
    pub(super) peer: Peer,
    /// Whether its head says that the connection ends with the stream.
    pub(super) last: bool,
    /// Whether bytes from the client wake this stream at its present place.
    pub(super) is_listening: bool,
}

/// Why a stream cannot rest.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// The data that its client has not taken yet.
    pub(super) chunk: Chunk,
    /// The bytes that its client has sent.
    pub(super) early: Vec<u8>,
    /// Whether its body has ended.
    pub(super) has_ended: bool,
}

impl Resting {
    /// Writes the pending data, as far as that needs no waiting. Returns the rest, with which the stream cannot stay at
    /// rest.
    ///
    /// # Errors
    ///
    /// If the stream is over: its client has gone, or its body broke off.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> io::Result<Option<Unfinished>> {
        if !self.is_listening || self.has_said() {
            let early = self.listen(cx)?;
            if !early.is_empty() {
                return Ok(Some(Unfinished { early, ..Unfinished::default() }));
            }
        }
        for _ in 0..FRAMES {
            let mut chunk = match Pin::new(&mut self.body).poll_frame(cx) {
                // A frame without data would be trailers, which the head has not announced.
                Poll::Ready(Some(Ok(frame))) => frame.into_data().map(Chunk::of).unwrap_or_default(),
                // Without a last chunk, the client sees that the body was cut off.
                Poll::Ready(Some(Err(error))) => return Err(io::Error::other(error)),
                Poll::Ready(None) => {
                    return Ok(Some(Unfinished { chunk: Chunk::last(), has_ended: true, ..Unfinished::default() }));
                }
                Poll::Pending if self.link.as_ref().is_some_and(|link| link.is_reading()) => break,
                Poll::Pending => return Ok(None),
            };
            chunk.advance(self.try_write(&chunk)?);
            if !chunk.is_written() {
                return Ok(Some(Unfinished { chunk, ..Unfinished::default() }));
            }
        }
        Ok(Some(Unfinished::default()))
    }

    /// Writes as many bytes of a chunk as the socket takes at once.
    fn try_write(&self, chunk: &Chunk) -> io::Result<usize> {
        let mut bytes = [MaybeUninit::uninit(); COPY_BYTES];
        let mut piece = ReadBuf::uninit(&mut bytes);
        let written = if chunk.copy_into(&mut piece) {
            self.socket.try_write(piece.filled())
        } else {
            self.socket.try_write_vectored(&chunk.rest(&mut Line::default()))
        };
        match written {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    /// Whether the client may have sent something. This is far cheaper per event than reading.
    fn has_said(&self) -> bool {
        self.socket.try_io(Interest::READABLE, || Ok(())).is_ok()
    }

    /// Reads what the client has sent, and fails if the client has gone. If there is nothing to read, later bytes will
    /// wake the stream.
    fn listen(&mut self, cx: &mut Context<'_>) -> io::Result<Vec<u8>> {
        while self.socket.poll_read_ready(cx)?.is_ready() {
            let mut bytes = [0; READ_BYTES];
            match self.socket.try_read(&mut bytes) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the client has gone")),
                Ok(count) => return Ok(bytes[..count].to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.is_listening = true;
        Ok(Vec::new())
    }
}
