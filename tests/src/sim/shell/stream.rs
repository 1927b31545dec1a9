//! A stream's bytes on their way from a node to a page.

use std::ops::{Deref, DerefMut};

use axum::body::Body;
use tidings_protocol::sse::Decoder;

use crate::sim::pipe::Pipe;

pub(super) struct Stream {
    /// The page's number for it.
    pub(super) id: u32,
    pub(super) node: usize,
    pipe: Pipe,
    /// It is read by an `EventSource`, which is the browser's.
    pub(super) decoder: Option<Decoder>,
}

impl Stream {
    pub(super) fn new(id: u32, node: usize, body: Body, by_source: bool) -> Self {
        Self { id, node, pipe: Pipe::new(body), decoder: by_source.then(Decoder::new) }
    }
}

/// All else that can be done with it can be done with its bytes.
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
