//! The requests of one connection that are being answered, and the number of connections without any.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::{sync::Notify, time::Instant};

use crate::clock::millis;

/// The connections of a server that wait for a request: nothing is being answered on them, and no stream runs.
#[derive(Debug)]
pub(super) struct Idle {
    count: AtomicUsize,
    start: Instant,
}

impl Default for Idle {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), start: Instant::now() }
    }
}

impl Idle {
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn now_ms(&self) -> u64 {
        millis(self.start.elapsed())
    }
}

/// The requests of one connection that are being answered.
#[derive(Debug)]
pub(super) struct Exchanges {
    /// Whether there was a request since [`reset`](Self::reset).
    served: AtomicBool,
    open: AtomicUsize,
    /// Since when no request is being answered, in milliseconds of [`Idle`].
    idle_since: AtomicU64,
    changed: Notify,
    idle: Arc<Idle>,
}

impl Exchanges {
    /// The exchanges of a connection that waits for its first request.
    pub(super) fn new(idle: Arc<Idle>) -> Arc<Self> {
        idle.count.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self {
            served: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            idle_since: AtomicU64::new(idle.now_ms()),
            changed: Notify::new(),
            idle,
        })
    }

    /// Begins another phase of the connection.
    pub(super) fn reset(&self) {
        self.served.store(false, Ordering::Relaxed);
    }

    pub(super) fn have_served(&self) -> bool {
        self.served.load(Ordering::Relaxed)
    }

    /// Since when nothing is being answered; `None` if something is.
    pub(super) fn idle_since(&self) -> Option<u64> {
        (self.open.load(Ordering::Acquire) == 0).then(|| self.idle_since.load(Ordering::Relaxed))
    }

    /// Counts a request or a stream that begins.
    pub(super) fn begin(self: &Arc<Self>) -> Exchange {
        self.served.store(true, Ordering::Relaxed);
        if self.open.fetch_add(1, Ordering::AcqRel) == 0 {
            self.idle.count.fetch_sub(1, Ordering::Relaxed);
        }
        self.changed.notify_waiters();
        Exchange(self.clone())
    }

    /// Ready when there has been no first request for this long, or no further one.
    pub(super) async fn idle(&self, first: Duration, further: Duration) {
        loop {
            let changed = self.changed.notified();
            if self.open.load(Ordering::Acquire) > 0 {
                changed.await;
                continue;
            }
            let limit = if self.have_served() { further } else { first };
            if tokio::time::timeout(limit, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Exchanges {
    fn drop(&mut self) {
        if *self.open.get_mut() == 0 {
            self.idle.count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A request, until its answer has ended.
#[derive(Debug)]
pub(super) struct Exchange(Arc<Exchanges>);

impl Drop for Exchange {
    fn drop(&mut self) {
        let exchanges = &*self.0;
        // The time is set before the connection counts as idle, so that it does not seem idle for long.
        exchanges.idle_since.store(exchanges.idle.now_ms(), Ordering::Relaxed);
        if exchanges.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            exchanges.idle.count.fetch_add(1, Ordering::Relaxed);
        }
        exchanges.changed.notify_waiters();
    }
}

/// The body of an answer, which counts as open until it is dropped.
pub(super) struct Answering {
    pub(super) body: Body,
    pub(super) _exchange: Exchange,
}

impl http_body::Body for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
