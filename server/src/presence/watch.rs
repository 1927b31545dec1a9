//! Presence as the backend hears it.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::{Stream, task::AtomicWaker};
use tidings_protocol::{ChannelError, Pattern, frame::Member};

use super::{News, Presence, SeatId, Wake};
use crate::Hub;

/// Who comes and goes on a channel, told to the backend itself; from [`Hub::watch_presence`]. It keeps the hub running.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct PresenceWatch {
    hub: Hub,
    seat: SeatId,
    bell: Arc<Bell>,
    news: VecDeque<PresenceChange>,
}

/// One change of who is online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceChange {
    /// All who are there now: first of all, and again where the watch was asked too seldom to tell every change.
    Here(Vec<Member>),
    /// Who came and who left, since the last change told.
    Moved {
        /// Who came.
        join: Vec<Member>,
        /// Who left.
        leave: Vec<Member>,
    },
}

/// Why nobody can be told who is online.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The text is no channel or pattern.
    #[error("not a channel: {0}")]
    Channel(#[from] ChannelError),
    /// The hub was built without [`presence`](crate::HubBuilder::presence).
    #[error("the hub was built without presence")]
    Off,
}

#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Wake for Bell {
    fn ring(&self) {
        // Kept until it is asked for.
        self.rung.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl PresenceWatch {
    pub(crate) fn new(hub: &Hub, channel: Pattern) -> Result<Self, PresenceError> {
        let presence = hub.core().presence().ok_or(PresenceError::Off)?;
        let bell = Arc::new(Bell::default());
        let wake = Arc::downgrade(&bell);
        let seat = presence.sit(None, wake, 0);
        presence.watch(seat, 0, vec![channel]);
        bell.ring();
        Ok(Self { hub: hub.clone(), seat, bell, news: VecDeque::new() })
    }
}

impl Stream for PresenceWatch {
    type Item = PresenceChange;

    /// The next change; the stream does not end. A `next()` may be dropped and called again, and nothing is missed.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PresenceChange>> {
        let Self { hub, seat, bell, news } = &mut *self;
        // Registered first: what is told after the look below wakes this task.
        bell.waker.register(cx.waker());
        loop {
            if let Some(change) = news.pop_front() {
                return Poll::Ready(Some(change));
            }
            if !bell.rung.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            let taken = hub.core().presence().map(|presence| presence.take(*seat)).unwrap_or_default();
            news.extend(taken.into_iter().filter_map(change));
        }
    }
}

fn change(news: News) -> Option<PresenceChange> {
    match news {
        News::Here(here, _) => Some(PresenceChange::Here(here)),
        News::Moved(moved) => Some(PresenceChange::Moved { join: moved.join.clone(), leave: moved.leave.clone() }),
        News::Ended(_) => None,
    }
}

impl Drop for PresenceWatch {
    fn drop(&mut self) {
        if let Some(presence) = self.hub.core().presence() {
            Presence::stand_up(presence, self.seat, 0);
        }
    }
}

#[cfg(test)]
mod tests;
