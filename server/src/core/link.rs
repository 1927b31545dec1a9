//! One open stream, as the rest of the hub sees it.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures_util::{future::AbortHandle, task::AtomicWaker};
use tidings_protocol::ConnectionId;

use crate::{
    connection::{Connection, Names},
    connection_limits::{Permit, Scope},
    presence::{SeatId, Wake},
    ranked::{self, RankedMutex},
};

/// The place of a stream in presence.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) seat: SeatId,
    /// The seat from which the stream watches presence: another one where hubs report to each other.
    pub(super) watcher: SeatId,
    /// Whether presence has news for this stream.
    pub(super) news: AtomicBool,
}

/// One connection, and the state of it that others change without its lock.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) names: Names,
    pub(super) slot: usize,
    pub(super) state: RankedMutex<Connection, { ranked::CONNECTION }>,
    /// Whether a matching record may have come since the last step.
    pub(super) woken: AtomicBool,
    pub(super) heartbeat_due: AtomicBool,
    /// Whether the log turned out to differ from the one that the client had read.
    pub(super) diverged: AtomicBool,
    /// When the credentials of the stream expire, in the driver's milliseconds.
    pub(super) expires_ms: AtomicU64,
    /// When the stream's TCP connection has reached its age and the stream ends, so that its client reconnects; in the
    /// driver's milliseconds.
    pub(super) retires_ms: AtomicU64,
    /// When bytes were last handed to the driver, in the driver's milliseconds.
    pub(super) written_ms: AtomicU64,
    /// Whether the driver waits for a page of the engine's log.
    pub(super) reading: AtomicBool,
    /// Whether anything has happened since the last step that may need writing. It spares a lock when a driver polls
    /// once more than needed, as the driver of an HTTP body must.
    pub(super) due: AtomicBool,
    /// The driver's task.
    pub(crate) waker: AtomicWaker,
    /// The place in presence, where presence is on.
    pub(super) place: OnceLock<Place>,
    /// Whether the application's callbacks are called for this stream.
    pub(crate) has_hooks: bool,
    /// The permit that counts this stream against the limits. Dropping the stream returns it.
    pub(super) permit: Option<Permit>,
    /// When the client was last heard from (opening the stream counts), in the driver's milliseconds.
    pub(super) heard_ms: AtomicU64,
    /// Whether the stream was challenged and its client has not answered.
    pub(super) challenged: AtomicBool,
    /// Whether the client has been heard from since it opened the stream.
    pub(super) has_answered: AtomicBool,
    /// Since when data has been due without the driver polling, in the driver's milliseconds; 0 while nothing is due.
    pub(super) stalled_ms: AtomicU64,
    /// Whether the driver itself ends the stream of a client that does not read.
    pub(super) has_own_clock: AtomicBool,
    /// Drops the stream's driver.
    pub(super) cut: OnceLock<AbortHandle>,
    /// The position as of the last step, and below whether the stream was behind then. Statistics read both without the
    /// lock.
    pub(super) shown_seq: AtomicU64,
    pub(super) shown_behind: AtomicBool,
    /// Whether the stream has no `connected` frame and ends by itself: a poll, or a listener of the backend.
    pub(super) is_bare: bool,
}

impl Link {
    /// Ends the stream at this time, unless another time is set before.
    pub(crate) fn expire_at(&self, now_ms: Option<u64>) {
        self.expires_ms.store(now_ms.unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Ends the stream at this time, unless it ends earlier.
    pub(crate) fn expire_by(&self, now_ms: u64) {
        self.expires_ms.fetch_min(now_ms, Ordering::AcqRel);
    }

    /// Ends the stream at this time with `closing {reason: drain}`, after which its client reconnects at once.
    pub(crate) fn retire_at(&self, now_ms: u64) {
        self.retires_ms.store(now_ms, Ordering::Release);
    }

    pub(super) fn is_retired(&self, now_ms: u64) -> bool {
        now_ms >= self.retires_ms.load(Ordering::Acquire)
    }

    /// Says that the driver itself ends the stream of a client that does not read.
    pub(crate) fn set_own_clock(&self) {
        self.has_own_clock.store(true, Ordering::Relaxed);
    }

    /// Sets the handle by which the driver is dropped when the client does not read.
    pub(crate) fn set_cut(&self, cut: AbortHandle) {
        let _ = self.cut.set(cut);
    }

    /// Whether data has been due for this long without the driver polling. Call it at intervals.
    pub(super) fn has_stalled(&self, now_ms: u64, limit_ms: u64) -> bool {
        if self.is_bare || self.has_own_clock.load(Ordering::Relaxed) || !self.due.load(Ordering::Acquire) {
            return false;
        }
        let since = self.stalled_ms.load(Ordering::Relaxed);
        if since == 0 {
            self.stalled_ms.store(now_ms.max(1), Ordering::Relaxed);
        }
        since > 0 && now_ms.saturating_sub(since) >= limit_ms
    }

    /// Whether the stream was challenged and its client has not answered.
    pub(crate) fn is_challenged(&self) -> bool {
        self.challenged.load(Ordering::Acquire)
    }

    /// Whether this stream counts against that limit.
    pub(super) fn is_counted_in(&self, scope: &Scope) -> bool {
        self.permit.as_ref().is_some_and(|permit| permit.is_counted_in(scope))
    }

    /// Whether the driver waits for a page of the engine's log.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Relaxed)
    }

    pub(crate) fn set_reading(&self, is_reading: bool) {
        self.reading.store(is_reading, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.expires_ms.load(Ordering::Acquire)
    }

    /// Makes the driver poll for the next step.
    pub(super) fn wake(&self) {
        self.due.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Wake for Link {
    fn ring(&self) {
        if let Some(place) = self.place.get() {
            place.news.store(true, Ordering::Release);
        }
        Self::wake(self);
    }
}
