//! One open stream, as others see it.

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

/// A stream's seat.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) seat: SeatId,
    /// There are news to take.
    pub(super) news: AtomicBool,
}

/// One connection and what others may do to it without its lock.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnectionId,
    pub(crate) names: Names,
    pub(super) slot: usize,
    pub(super) state: RankedMutex<Connection, { ranked::CONNECTION }>,
    /// A matching record may have come since the last step.
    pub(super) woken: AtomicBool,
    pub(super) heartbeat_due: AtomicBool,
    /// The log turned out not to be the one that the client had read.
    pub(super) diverged: AtomicBool,
    /// When the credentials that opened it, or refreshed it, are over, in the driver's milliseconds.
    pub(super) expires_ms: AtomicU64,
    /// When its connection has had its time and it ends, for its client to come back by another one; in the driver's milliseconds.
    pub(super) retires_ms: AtomicU64,
    /// When bytes were last handed to the driver, in the driver's milliseconds.
    pub(super) written_ms: AtomicU64,
    /// The driver waits for a page of the engine's log.
    pub(super) reading: AtomicBool,
    /// Something has happened since the last step that there may be more to write for. So a driver that asks once more than needed,
    /// as that of an HTTP body has to, takes no lock.
    pub(super) due: AtomicBool,
    /// The driver's task.
    pub(crate) waker: AtomicWaker,
    /// Where presence is on.
    pub(super) place: OnceLock<Place>,
    /// Whether the application is told of it.
    pub(crate) has_hooks: bool,
    /// Its place among the streams that there may be, given back with this.
    pub(super) permit: Option<Permit>,
    /// When the client was last heard of (its opening counts), in the driver's milliseconds.
    pub(super) heard_ms: AtomicU64,
    /// It was asked whether somebody reads it, and has not answered.
    pub(super) challenged: AtomicBool,
    /// The client has been heard of since it opened the stream.
    pub(super) has_answered: AtomicBool,
    /// Since when something has been due that its driver did not ask for, in the driver's milliseconds; 0 while there is nothing.
    pub(super) stalled_ms: AtomicU64,
    /// Its driver gives up by itself on a client that takes nothing.
    pub(super) has_own_clock: AtomicBool,
    /// Drops its driver.
    pub(super) cut: OnceLock<AbortHandle>,
    /// Where it stands, and whether it is behind, as of its last step: for those who only look.
    pub(super) shown_seq: AtomicU64,
    pub(super) shown_behind: AtomicBool,
    /// It has no greeting, and ends by itself: a poll, or a listener of the backend's.
    pub(super) is_bare: bool,
}

impl Link {
    /// Ends the stream at this time, unless another is set before.
    pub(crate) fn expire_at(&self, now_ms: Option<u64>) {
        self.expires_ms.store(now_ms.unwrap_or(u64::MAX), Ordering::Release);
    }

    /// Ends the stream at this time, if it would not end before.
    pub(crate) fn expire_by(&self, now_ms: u64) {
        self.expires_ms.fetch_min(now_ms, Ordering::AcqRel);
    }

    /// Ends the stream at this time with `closing {reason: drain}`: its client comes back at once.
    pub(crate) fn retire_at(&self, now_ms: u64) {
        self.retires_ms.store(now_ms, Ordering::Release);
    }

    pub(super) fn is_retired(&self, now_ms: u64) -> bool {
        now_ms >= self.retires_ms.load(Ordering::Acquire)
    }

    /// Its driver gives up by itself on a client that takes nothing.
    pub(crate) fn set_own_clock(&self) {
        self.has_own_clock.store(true, Ordering::Relaxed);
    }

    /// By which its driver is dropped, where a client takes nothing.
    pub(crate) fn set_cut(&self, cut: AbortHandle) {
        let _ = self.cut.set(cut);
    }

    /// Whether something has been due for so long without being asked for. To be called now and then.
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

    /// Whether it was asked whether somebody reads it, and has not answered.
    pub(crate) fn is_challenged(&self) -> bool {
        self.challenged.load(Ordering::Acquire)
    }

    /// Whether it is counted there among those that may be open.
    pub(super) fn is_counted_in(&self, scope: &Scope) -> bool {
        self.permit.as_ref().is_some_and(|permit| permit.is_counted_in(scope))
    }

    /// Whether its driver waits for a page of the engine's log.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::Relaxed)
    }

    pub(crate) fn set_reading(&self, is_reading: bool) {
        self.reading.store(is_reading, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        now_ms >= self.expires_ms.load(Ordering::Acquire)
    }

    /// Makes the driver ask for the next step.
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
