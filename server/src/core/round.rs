//! One round: the streams that a flush woke, until they have been asked what they have to write.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

/// A round is over when all streams but this part of them have been asked: a stream whose client takes nothing is not asked for long, and the
/// others do not wait for it.
const STRAGGLERS: i64 = 16;

/// How many streams the current round waits for. Streams of earlier rounds that are asked late count too, so it may end a little early;
/// only the pace depends on it.
#[derive(Debug, Default)]
pub(super) struct Round {
    left: AtomicI64,
    over: AtomicWaker,
}

impl Round {
    /// Begins with so many streams, before they are woken.
    pub(super) fn begin(&self, woken: usize) {
        let woken = i64::try_from(woken).unwrap_or(i64::MAX);
        self.left.store(woken - woken / STRAGGLERS, Ordering::Release);
    }

    /// A stream that was woken has been asked.
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
