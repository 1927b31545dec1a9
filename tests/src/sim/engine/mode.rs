//! How the next append goes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
};

/// The outcome of the next append.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) enum Mode {
    /// Stored and acknowledged.
    #[default]
    Prompt,
    /// The entry is not stored, and the append fails as refused.
    Refused,
    /// The entry is not stored, and the append is not answered.
    Vanished,
    /// The entry is stored, and the acknowledgement is lost.
    AckLost,
    /// The entry is stored at once, and acknowledged when the gate opens.
    AckLate(Gate),
    /// The entry is stored when the gate opens.
    Late(Gate),
    /// Sent, and nothing said; it comes to the server when the schedule says so, if it comes before its deadline.
    Orphan,
}

/// Blocks an append until it is opened.
#[derive(Debug, Clone, Default)]
pub(in crate::sim) struct Gate(Arc<AtomicBool>);

impl Gate {
    pub(in crate::sim) fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) async fn pass(&self) {
        std::future::poll_fn(|_| if self.0.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}
