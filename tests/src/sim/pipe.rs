//! Bytes in flight from a hub: the hub's own body, polled when it asks for it, and the bytes in between.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use axum::body::Body;
use bytes::BytesMut;
use http_body::Body as _;

/// Set when the body wants to be polled. A body that the hub forgets to wake stays silent, as it would on a real
/// server.
#[derive(Debug)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

pub(super) struct Pipe {
    body: Option<Body>,
    woken: Arc<Woken>,
    under_way: BytesMut,
    /// Nothing arrives any more, and neither end notices.
    pub(super) is_silent: bool,
}

impl Pipe {
    pub(super) fn new(body: Body) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Self { body: Some(body), woken, under_way: BytesMut::new(), is_silent: false }
    }

    /// Continues with another body.
    pub(super) fn put(&mut self, body: Body) {
        self.body = Some(body);
    }

    /// Lets the hub write, as far as the buffers in between take it. `pass` transforms each write. Returns whether the
    /// hub wrote.
    pub(super) fn pump(&mut self, buffers: usize, mut pass: impl FnMut(&[u8], &mut BytesMut)) -> bool {
        let mut wrote = false;
        while self.under_way.len() < buffers && self.woken.0.swap(false, Ordering::AcqRel) {
            let Some(body) = &mut self.body else { break };
            let waker = Waker::from(self.woken.clone());
            match Pin::new(body).poll_frame(&mut Context::from_waker(&waker)) {
                Poll::Pending => {}
                Poll::Ready(Some(Ok(frame))) => {
                    self.woken.0.store(true, Ordering::Release);
                    let Ok(bytes) = frame.into_data() else { continue };
                    // On a silent line the bytes are lost.
                    if !self.is_silent {
                        pass(&bytes, &mut self.under_way);
                    }
                    wrote = true;
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    self.body = None;
                    wrote = true;
                }
            }
        }
        wrote
    }

    pub(super) fn has_bytes(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// The next bytes, cut anywhere.
    pub(super) fn take(&mut self, bytes: usize) -> BytesMut {
        self.under_way.split_to(bytes.min(self.under_way.len()))
    }

    /// Whether the server has ended the body and its last byte was taken.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none() && self.under_way.is_empty() && !self.is_silent
    }

    /// Cuts the line after the bytes in flight. Returns the server's end, which may live on unaware.
    pub(super) fn cut(&mut self) -> Option<Body> {
        self.body.take()
    }

    /// The bytes in flight are lost too.
    pub(super) fn discard(&mut self) {
        self.under_way.clear();
    }
}
