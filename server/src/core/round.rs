//! One round: the streams that a flush woke, until they have been polled.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

/// A round is over when all but one in this many streams have been polled. A stream whose client does not read is not
/// polled for a long time, and the others must not wait for it.
const STRAGGLERS: i64 = 16;

/// The number of streams that the current round still waits for. Late polls of earlier rounds count too, so a round may
/// end a little early; only the pace depends on it.
#[derive(Debug, Default)]
pub(super) struct Round {
    left: AtomicI64,
    over: AtomicWaker,
}

impl Round {
    /// Begins a round of this many streams, before they are woken.
    pub(super) fn begin(&self, woken: usize) {
        let woken = i64::try_from(woken).unwrap_or(i64::MAX);
        self.left.store(woken - woken / STRAGGLERS, Ordering::Release);
    }

    /// Counts a woken stream that was polled.
    pub(super) fn asked(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.over.wake();
        }
    }

    /// Ready when the round is over.
    pub(super) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        self.over.register(cx.waker());
        if self.left.load(Ordering::Acquire) <= 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}
