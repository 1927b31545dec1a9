//! A stream's bytes on their way from a node to a page.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Waker},
};

use axum::body::Body;
use bytes::BytesMut;
use http_body::Body as _;
use tidings_protocol::sse::Decoder;

use crate::sim::wire::Woken;

pub(super) struct Stream {
    /// The page's number for it.
    pub(super) id: u32,
    pub(super) node: usize,
    body: Option<Body>,
    woken: Arc<Woken>,
    under_way: BytesMut,
    /// It is read by an `EventSource`, which is the browser's.
    pub(super) decoder: Option<Decoder>,
    /// Nothing arrives any more, and nobody says so.
    pub(super) is_silent: bool,
}

impl Stream {
    pub(super) fn new(id: u32, node: usize, body: Body, by_source: bool) -> Self {
        Self {
            id,
            node,
            body: Some(body),
            woken: Arc::new(Woken::new()),
            under_way: BytesMut::new(),
            decoder: by_source.then(Decoder::new),
            is_silent: false,
        }
    }

    /// Lets the hub write, as far as the buffers in between take it; `pass` says what becomes of each write. Returns whether it wrote.
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

    /// The next bytes, wherever that cuts what they say.
    pub(super) fn take(&mut self, bytes: usize) -> BytesMut {
        self.under_way.split_to(bytes.min(self.under_way.len()))
    }

    /// Nothing comes after what is under way.
    pub(super) fn cut(&mut self) {
        self.body = None;
    }

    /// It has ended, and its last byte has been read.
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none() && self.under_way.is_empty() && !self.is_silent
    }
}
