//! Finding streams that nobody reads. A proxy may keep its end of a stream open after the page has gone, and accept
//! everything that is written. Where there is no room for another stream, the streams that the hub has not heard from
//! for longest are challenged, and end unless a client answers.

use std::sync::{Arc, atomic::Ordering};

use tidings_protocol::frame::{Closing, ClosingReason};

use super::{Core, Link};
use crate::{connection_limits::Scope, routing};

/// A stream whose client was heard from within this time is not challenged.
const RECENT_MS: u64 = 5_000;
/// The reconnect delay of a client whose stream ended because it did not answer in time.
const RETRY_MS: u64 = 1_000;

impl Core {
    /// Up to `count` streams within this limit that the hub has not heard from for longest. Streams of clients that
    /// have answered before and were heard from just now are left out.
    pub(crate) fn unheard(&self, scope: &Scope, now_ms: u64, count: usize) -> Vec<Arc<Link>> {
        let mut unheard = Vec::new();
        {
            let registry = self.registry.lock();
            let mut look = |link: &Arc<Link>| {
                if link.is_counted_in(scope) && link.may_be_challenged(now_ms) {
                    unheard.push((link.heard_ms.load(Ordering::Relaxed), link.clone()));
                }
            };
            match scope {
                Scope::User(user) | Scope::Device(user, _) => {
                    if let Some(slots) = registry.routes.get((routing::Kind::User, user.as_str())) {
                        slots.for_each(|slot| look(&registry.links[slot]));
                    }
                }
                Scope::Address(_) | Scope::All => registry.links.iter().for_each(|(_, link)| look(link)),
            }
        }
        unheard.sort_by_key(|(heard_ms, _)| *heard_ms);
        unheard.into_iter().take(count).map(|(_, link)| link).collect()
    }

    /// Sends a challenge on a stream.
    pub(crate) fn challenge(&self, link: &Link) {
        link.challenged.store(true, Ordering::Release);
        link.state.lock().challenge();
        link.wake();
    }

    /// Records that a stream's client was heard from. Returns whether the stream had been challenged.
    pub(crate) fn hear(&self, link: &Link, now_ms: u64) -> bool {
        link.heard_ms.store(now_ms, Ordering::Relaxed);
        link.has_answered.store(true, Ordering::Relaxed);
        link.challenged.swap(false, Ordering::AcqRel)
    }

    /// Ends a stream whose client did not answer, and frees its place at once.
    pub(crate) fn end_unanswered(&self, link: &Link) {
        let closing = Closing { reason: ClosingReason::TooManyConnections, retry_ms: RETRY_MS };
        link.state.lock().close(closing);
        if let Some(permit) = &link.permit {
            permit.release();
        }
        link.wake();
    }

    /// Removes streams whose drivers have not polled for this long although data was due: their clients do not read.
    /// They no longer count for presence, and their places are free. Where such a driver cannot be dropped, its server
    /// keeps the memory of the stream.
    pub(crate) fn drop_stalled(&self, now_ms: u64, limit_ms: u64) -> usize {
        let stalled: Vec<_> = {
            let registry = self.registry.lock();
            let links = registry.links.iter().map(|(_, link)| link);
            links.filter(|link| link.has_stalled(now_ms, limit_ms)).cloned().collect()
        };
        for link in &stalled {
            self.end_unanswered(link);
            self.unseat(link, now_ms);
            self.close(link);
            if let Some(cut) = link.cut.get() {
                cut.abort();
            }
        }
        stalled.len()
    }

    /// Whether a stream is still open.
    pub(crate) fn is_open(&self, link: &Arc<Link>) -> bool {
        self.registry.lock().holds(link)
    }
}

impl Link {
    fn may_be_challenged(&self, now_ms: u64) -> bool {
        let heard_ms = self.heard_ms.load(Ordering::Relaxed);
        let is_recent = self.has_answered.load(Ordering::Relaxed) && now_ms.saturating_sub(heard_ms) < RECENT_MS;
        !self.is_bare && !is_recent
    }
}
