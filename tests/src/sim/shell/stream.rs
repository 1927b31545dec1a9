//! The bytes of a stream in flight from a node to a page.

use std::ops::{Deref, DerefMut};

use axum::body::Body;
use tidings_protocol::sse::Decoder;

use crate::sim::pipe::Pipe;

pub(super) struct Stream {
    /// The page's number for the stream.
    pub(super) id: u32,
    pub(super) node: usize,
    pipe: Pipe,
    /// The decoder of the browser's `EventSource`, if the page uses one.
    pub(super) decoder: Option<Decoder>,
}

impl Stream {
    pub(super) fn new(id: u32, node: usize, body: Body, by_source: bool) -> Self {
        Self { id, node, pipe: Pipe::new(body), decoder: by_source.then(Decoder::new) }
    }
}

/// Everything else that can be done with a stream is done with its bytes.
impl Deref for Stream {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        &self.pipe
    }
}

impl DerefMut for Stream {
    fn deref_mut(&mut self) -> &mut Pipe {
        &mut self.pipe
    }
}
