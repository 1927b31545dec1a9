//! How a stream passes from hyper to us. hyper parses the request, writes the response's head, and polls the body. That
//! body is a [`PlaceholderBody`], which yields only what the real body has at once, so that it leaves with the head.
//! The real body waits here until the I/O has seen the last of these bytes leave. Then hyper, its buffers and the
//! placeholder are dropped, and a socket and a body remain.
//!
//! The body that is taken over is the one that came out of the router, with all layers around it, so that they see
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

/// An extension of a response: its body continues until one of the two sides ends it, so it deserves a socket of its
/// own. The link of a hub's stream says whether a page of the log is being read.
#[derive(Debug, Default, Clone)]
pub(in crate::http) struct TakeOver(pub(in crate::http) Option<Arc<Link>>);

/// The stage of one connection's handover. The service, the body, the I/O and the task of the connection share it.
#[derive(Debug, Default)]
pub(super) struct Handover(Mutex<Stage>, BegunFlag);

/// Whether a stream is being written, taken over or not.
pub(super) type BegunFlag = Arc<AtomicBool>;

#[derive(Debug, Default)]
enum Stage {
    #[default]
    None,
    /// hyper has the head.
    Offered(TakenStream),
    /// hyper has what the body had at once, and has polled for more, so all of that is in hyper's buffers or further.
    /// It ends with these bytes.
    Asked(TakenStream, End),
    /// The socket took the last byte of it.
    Flushed(TakenStream),
}

/// The last bytes that hyper writes.
pub(super) type End = [u8; 4];

/// The bytes that end a head, and occur nowhere inside one (RFC 9112, section 2.1).
const HEAD_END: End = *b"\r\n\r\n";

/// A stream that was taken over.
#[derive(Debug)]
pub(super) struct TakenStream {
    pub(super) body: Body,
    /// The stream's link, if it belongs to a hub.
    pub(super) link: Option<Arc<Link>>,
    /// Whether the head says that this response is the connection's last.
    pub(super) last: bool,
}

/// The facts about a request that decide whether its answer may be taken over.
#[derive(Debug, Clone, Copy)]
pub(super) struct TakeOverRules {
    last: bool,
}

impl TakeOverRules {
    /// The rules for a request. `None` if hyper has to write the answer: a body without chunks (HTTP/1.0), no body
    /// (HEAD), bytes of the request still to come, or a connection that may be upgraded.
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
    /// The flag that [`begin`](Self::begin) sets.
    pub(super) fn begun(&self) -> BegunFlag {
        self.1.clone()
    }

    /// Marks that a stream is being written from here on.
    pub(super) fn begin(&self) {
        self.1.store(true, Ordering::Relaxed);
    }

    /// Keeps the body of a stream and returns the response with a placeholder; any other response is returned
    /// unchanged. The second value is whether a body was kept.
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

    /// Records that the socket has taken everything, which ended with these bytes.
    pub(super) fn flushed(&self, end: End) {
        let mut stage = self.0.lock();
        *stage = match std::mem::take(&mut *stage) {
            Stage::Asked(taken, expected) if expected == end => Stage::Flushed(taken),
            other => other,
        };
    }

    /// The stream, once it can be taken over.
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

/// Whether hyper writes this body in chunks, without trailers. An encoded body is left to hyper as well: the encoder
/// holds many times what taking over would save.
fn is_chunked(response: &Response) -> bool {
    let otherwise = [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, TRAILER, UPGRADE];
    response.status() == StatusCode::OK
        && response.body().size_hint().exact().is_none()
        && !otherwise.iter().any(|name| response.headers().contains_key(name))
}

/// The body that hyper gets in place of the real one.
struct PlaceholderBody {
    handover: Arc<Handover>,
    /// The end of the frame that was passed on to hyper.
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
                // A body that ends at once stays with hyper.
                over => return over,
            }
        }
        *self.handover.0.lock() = Stage::Asked(taken, self.end.unwrap_or(HEAD_END));
        Poll::Pending
    }
}

/// The last bytes of a chunk with this data (RFC 9112, section 7.1); `None` without data.
fn chunk_end(data: &[u8]) -> Option<End> {
    let (last, before) = data.split_last()?;
    // The line with the size precedes the data.
    Some([*before.last().unwrap_or(&b'\n'), *last, b'\r', b'\n'])
}
