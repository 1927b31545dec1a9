//! A socket that gives up on a client that stalls: one that takes no byte of pending data, or one that connects and
//! does not send enough to tell which HTTP version it speaks (until then hyper has no timer for the head).

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::handover::BegunFlag;

/// The first bytes of an HTTP/2 client (RFC 9113, section 3.4), with which no HTTP/1 request begins.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug)]
pub(super) struct Stall<S> {
    socket: S,
    limit: Duration,
    /// Whether a client that takes nothing is given up; a paused download is not.
    clock: Clock,
    /// Runs until the client has begun.
    beginning: Option<Pin<Box<Sleep>>>,
    /// How many bytes the client still has to send for that.
    owed: usize,
    /// Runs while a write is waiting. It is made only then, so that an idle connection carries no timer.
    waiting: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum Clock {
    Runs,
    /// The timer runs once this flag is set.
    RunsFrom(BegunFlag),
    Stands,
}

impl<S> Stall<S> {
    /// The client has `head` to begin, and `limit` to take a byte.
    pub(super) fn new(socket: S, head: Duration, limit: Duration) -> Self {
        Self {
            socket,
            limit,
            clock: Clock::Runs,
            beginning: Some(Box::pin(sleep(head))),
            owed: PREFACE.len(),
            waiting: None,
        }
    }

    /// The same around a client that has begun.
    pub(super) fn begun(socket: S, limit: Duration) -> Self {
        Self { socket, limit, clock: Clock::Runs, beginning: None, owed: 0, waiting: None }
    }

    /// Lets the client take as long as it likes.
    pub(super) fn pause(&mut self) {
        (self.clock, self.waiting) = (Clock::Stands, None);
    }

    /// Lets the client take as long as it likes until a stream begins.
    pub(super) fn pause_until(&mut self, begun: BegunFlag) {
        (self.clock, self.waiting) = (Clock::RunsFrom(begun), None);
    }

    /// Gives the client `limit` again to take a byte.
    pub(super) fn resume(&mut self) {
        self.clock = Clock::Runs;
    }

    pub(super) fn into_inner(self) -> S {
        self.socket
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.socket
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        // A client that is answered has begun, however short its request is.
        self.beginning = None;
        if poll.is_ready() {
            self.waiting = None;
            return poll;
        }
        let runs = match &self.clock {
            Clock::Runs => true,
            Clock::RunsFrom(begun) => begun.load(Ordering::Relaxed),
            Clock::Stands => false,
        };
        if !runs {
            return poll;
        }
        let limit = self.limit;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client reads nothing"))),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stall<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.socket).poll_read(cx, buf);
        let Some(beginning) = &mut self.beginning else { return poll };
        if poll.is_pending() && beginning.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the client did not begin a request in time",
            )));
        }
        self.owed = self.owed.saturating_sub(buf.filled().len() - before);
        if self.owed == 0 {
            self.beginning = None;
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stall<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.watch(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.watch(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.watch(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(8);
        let mut stalled = Stall::new(ours, Duration::from_secs(10), Duration::from_secs(60));
        stalled.write_all(b"12345678").await.unwrap();
        let began = tokio::time::Instant::now();
        let error = stalled.write_all(b"9").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), Duration::from_secs(60));
    }
    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_begin_is_given_up() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut stalled = Stall::new(ours, Duration::from_secs(10), Duration::from_secs(60));
        theirs.write_all(b"PRI").await.unwrap();
        let began = tokio::time::Instant::now();
        let error = stalled.read_to_end(&mut Vec::new()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_has_begun_may_be_silent() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut stalled = Stall::new(ours, Duration::from_secs(10), Duration::from_secs(60));
        theirs.write_all(&[b'x'; PREFACE.len()]).await.unwrap();
        let mut heard = Vec::new();
        let silence = tokio::time::timeout(Duration::from_secs(3_600), stalled.read_to_end(&mut heard));
        assert!(silence.await.is_err());
    }
}
