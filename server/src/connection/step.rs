//! What a connection and its driver exchange.

use bytes::Bytes;
use tidings_protocol::Cursor;

use super::Names;
use crate::window::Window;

/// The next action of a driver.
#[derive(Debug)]
pub(crate) enum Step {
    /// Write these bytes, in order; then step again.
    Write(Vec<Bytes>),
    /// Read the engine's log after this position, pass in the [`page`](super::Connection::page), and step again.
    Read { after: Cursor },
    /// Wait until woken.
    Idle,
    /// The stream has ended.
    End,
}

/// The window and the names that a connection reads. The caller owns both, so that a connection need not hold them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) window: &'a Window,
    /// Whose stream it is.
    pub(crate) names: &'a Names,
}

/// The input of each call of [`next`](super::Connection::next).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// About how many bytes to write at most; a frame is never split.
    pub(crate) max_bytes: usize,
    /// Whether a matching record may have come since the last step.
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
