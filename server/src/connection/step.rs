//! What passes between a connection and its driver.

use bytes::Bytes;
use tidings_protocol::Cursor;

use super::Names;
use crate::window::Window;

/// What a driver has to do next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write these, in order; then ask again.
    Write(Vec<Bytes>),
    /// Read the engine's log after this position, hand over the [`page`](super::Connection::page), and ask again.
    Read { after: Cursor },
    /// Nothing to do until woken.
    Idle,
    /// The stream is over.
    End,
}

/// What a connection looks at. It holds neither: who asks it has both at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) window: &'a Window,
    /// Whose stream it is.
    pub(crate) names: &'a Names,
}

/// What the outside tells a connection with each [`next`](super::Connection::next).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Write about this many bytes at most; one frame is never split.
    pub(crate) max_bytes: usize,
    /// Whether a matching record may have come since the last ask.
    pub(crate) woken: bool,
    /// Whether a heartbeat is due, to be sent if there is nothing else.
    pub(crate) heartbeat: bool,
}

/// How a part of a step ended.
pub(super) enum Flow {
    /// This part is done.
    Done,
    /// The batch is full.
    Full,
    /// A page after this position is needed first.
    Need(Cursor),
}
