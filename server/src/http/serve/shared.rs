//! The state that the connections of a server share.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::{http1, http2};
use tokio::sync::{Semaphore, watch};

use super::cut::Cutting;

pub(super) struct Shared {
    pub(super) router: Router,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<Cutting>,
    pub(super) head_timeout: Duration,
    pub(super) idle_timeout: Duration,
    pub(super) stall: Duration,
    pub(super) send_buffer: usize,
    pub(super) stopping: watch::Sender<bool>,
    /// Bounds the first requests that wait for one of the runtime's threads.
    pub(super) arrivals: Semaphore,
}

impl Shared {
    pub(super) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ready when the server stops.
    pub(super) async fn stopped(&self) {
        // The sender is in `self`, so waiting cannot fail.
        let _ = self.stopping.subscribe().wait_for(|stopping| *stopping).await;
    }
}
