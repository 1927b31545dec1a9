//! How a stream passes from hyper to us: hyper parses the request and writes the response's head, and asks for the body.
//! There it meets a [`PlaceholderBody`], which has nothing to say but what the body has at once, so that this leaves with the head; the
//! real body waits here until the I/O has seen the last byte of that leave. Then hyper, its buffers and the stand-in go, and what
//! is left is a socket and a body.
//!
//! The body that is taken is the one that came out of the router, in all that layers have wrapped around it, so that they see
//! every frame and the end as they would under hyper.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request, response::Response};
use bytes::Bytes;
use http::{
    HeaderMap, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use http_body::{Body as _, Frame};
use parking_lot::Mutex;

use crate::core::Link;

/// In a response's extensions: its body goes on until one of the two sides ends it, so a socket of its own is worth it. Whose stream
/// it is says whether a page of the log is on its way.
#[derive(Debug, Default, Clone)]
pub(in crate::http) struct TakeOver(pub(in crate::http) Option<Arc<Link>>);

/// Where one connection's handover stands. The service, the body, the I/O and the task of the connection share it.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<Stage>, BegunFlag);

/// Whether what is written now is a stream, taken over or not.
pub(super) type BegunFlag = Arc<AtomicBool>;

#[derive(Debug, Default)]
enum Stage {
    #[default]
    None,
    /// hyper has the head.
    Offered(TakenStream),
    /// hyper has what the body had at once, and has asked for more: all of that is in its buffers, or further. It ends so.
    Asked(TakenStream, End),
    /// The socket took the last byte of it.
    Flushed(TakenStream),
}

/// The last bytes that hyper writes.
pub(super) type End = [u8; 4];

/// What ends a head, and nothing in it (RFC 9112, section 2.1).
const HEAD_END: End = *b"\r\n\r\n";

/// A stream that is ours now.
#[derive(Debug)]
pub(super) struct TakenStream {
    pub(super) body: Body,
    /// Whose it is, if it is a hub's.
    pub(super) link: Option<Arc<Link>>,
    /// Whether the head says that this response is the connection's last.
    pub(super) last: bool,
}

/// What must be known of a request if its answer may be taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakeOverRules {
    last: bool,
}

impl TakeOverRules {
    /// `None` if hyper has to write the answer: where a body has no chunks (HTTP/1.0) or is none (HEAD), and where bytes of
    /// the request are still to come or the connection may become something else.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let plain = request.version() == Version::HTTP_11
            && *request.method() == Method::GET
            && request.body().is_end_stream()
            && !request.headers().contains_key(UPGRADE);
        plain.then(|| Self { last: says_close(request.headers()) })
    }
}

fn says_close(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|token| token.trim().eq_ignore_ascii_case("close"))
}

impl Handover {
    /// Whether what is written is a stream, from [`begin`](Self::begin) on.
    pub(super) fn begun(&self) -> BegunFlag {
        self.1.clone()
    }

    /// A stream is written from here on.
    pub(super) fn begin(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// Keeps the body of a stream, and returns the response with a stand-in; any other response as it is. Whether it kept one.
    pub(super) fn offer(self: &Arc<Self>, terms: TakeOverRules, mut response: Response) -> (Response, bool) {
        let Some(TakeOver(link)) = response.extensions_mut().remove::<TakeOver>().filter(|_| is_chunked(&response))
        else {
            return (response, false);
        };
        let last = terms.last || says_close(response.headers());
        let (parts, body) = response.into_parts();
        *self.0.lock() = Stage::Offered(TakenStream { body, link, last });
        (Response::from_parts(parts, Body::new(PlaceholderBody { handover: self.clone(), end: None })), true)
    }

    /// The socket has taken all that there was, and that ended so.
    pub(super) fn flushed(&self, end: End) {
        let mut stage = self.0.lock();
        *stage = match std::mem::take(&mut *stage) {
            Stage::Asked(taken, expected) if expected == end => Stage::Flushed(taken),
            other => other,
        };
    }

    /// The stream, once it is ready to be taken.
    pub(super) fn take(&self) -> Option<TakenStream> {
        let mut stage = self.0.lock();
        match std::mem::take(&mut *stage) {
            Stage::Flushed(taken) => Some(taken),
            other => {
                *stage = other;
                None
            }
        }
    }
}

/// Whether hyper writes this body in chunks, with nothing behind them. An encoded one is left to it as well: the encoder holds
/// many times what taking over would save.
fn is_chunked(response: &Response) -> bool {
    let otherwise = [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, TRAILER, UPGRADE];
    response.status() == StatusCode::OK
        && response.body().size_hint().exact().is_none()
        && !otherwise.iter().any(|name| response.headers().contains_key(name))
}

/// The body that hyper sees in place of one that is kept.
struct PlaceholderBody {
    handover: Arc<Handover>,
    /// How the frame ends that was passed on to hyper.
    end: Option<End>,
}

impl http_body::Body for PlaceholderBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let stage = std::mem::take(&mut *self.handover.0.lock());
        let Stage::Offered(mut taken) = stage else {
            *self.handover.0.lock() = stage;
            return Poll::Pending;
        };
        if self.end.is_none() {
            match Pin::new(&mut taken.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                    self.end = frame.data_ref().and_then(|data| chunk_end(data));
                    *self.handover.0.lock() = Stage::Offered(taken);
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Pending => {}
                // What is over at once is hyper's.
                over => return over,
            }
        }
        *self.handover.0.lock() = Stage::Asked(taken, self.end.unwrap_or(HEAD_END));
        Poll::Pending
    }
}

/// How a chunk of this ends (RFC 9112, section 7.1); of nothing there is none.
fn chunk_end(data: &[u8]) -> Option<End> {
    let (last, before) = data.split_last()?;
    // Before the data stands the line of its size.
    Some([*before.last().unwrap_or(&b'\n'), *last, b'\r', b'\n'])
}
