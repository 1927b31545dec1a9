//! Watching presence in the backend.

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

use super::{News, Presence, PresenceError, SeatId, Wake};
use crate::{Gathered, Hub};

/// A watch on who joins and leaves a channel, for the backend itself; from [`Hub::watch_presence`]. It keeps the hub
/// running.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct PresenceWatch {
    hub: Hub,
    seat: SeatId,
    bell: Arc<Bell>,
    news: VecDeque<PresenceChange>,
}

/// A change of who is online.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PresenceChange {
    /// All members that are online now: the first item, and again if the watch was polled too rarely to yield every
    /// change, or if a hub of the log joins, is gone, stops answering or answers again. Where fewer hubs answered than
    /// were asked, the list may lack the members of the others.
    Here(Gathered<Vec<Member>>),
    /// The members who joined and who left, since the last change.
    Moved {
        /// The members who joined.
        join: Vec<Member>,
        /// The members who left.
        leave: Vec<Member>,
    },
}

#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    waker: AtomicWaker,
}

impl Wake for Bell {
    fn ring(&self) {
        // The signal is kept until the watch is polled.
        self.rung.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl Hub {
    /// Watches who joins and leaves on a channel or in a pattern at all hubs of the log, for the backend itself;
    /// [`presence`](Self::presence) defines who counts. The users of a hub that has died leave when the hub has been
    /// silent for 8 s, or for the [grace period](crate::PresenceSettings::grace) where that is longer, unless they have
    /// come back at another hub.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use futures_util::StreamExt;
    /// use tidings::{Hub, PresenceChange, PresenceSettings};
    /// let hub = Hub::builder().presence(PresenceSettings::default()).build().await?;
    /// let mut watch = hub.watch_presence("*")?;
    /// let Some(PresenceChange::Here(here)) = watch.next().await else { unreachable!("the list comes first") };
    /// assert!(here.value.is_empty() && here.answered == here.asked);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The same as [`presence`](Self::presence).
    pub fn watch_presence<P>(&self, channel: P) -> Result<PresenceWatch, PresenceError>
    where
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        PresenceWatch::new(self, channel.try_into().map_err(ChannelError::from)?)
    }
}

impl PresenceWatch {
    fn new(hub: &Hub, channel: Pattern) -> Result<Self, PresenceError> {
        let presence = hub.core().watched_presence().ok_or(PresenceError::Off)?;
        let bell = Arc::new(Bell::default());
        let wake = Arc::downgrade(&bell);
        let seat = presence.sit(None, wake, 0);
        presence.watch(seat, 0, vec![channel]);
        presence.nudge();
        bell.ring();
        Ok(Self { hub: hub.clone(), seat, bell, news: VecDeque::new() })
    }
}

impl Stream for PresenceWatch {
    type Item = PresenceChange;

    /// The next change; the stream does not end. A `next()` may be dropped and called again without missing anything.
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<PresenceChange>> {
        let Self { hub, seat, bell, news } = &mut *self;
        // The waker is registered first, so that news after the look below wake this task.
        bell.waker.register(cx.waker());
        loop {
            if let Some(change) = news.pop_front() {
                return Poll::Ready(Some(change));
            }
            if !bell.rung.swap(false, Ordering::AcqRel) {
                return Poll::Pending;
            }
            let taken = hub.core().watched_presence().map(|presence| presence.take(*seat)).unwrap_or_default();
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
        if let Some(presence) = self.hub.core().watched_presence() {
            Presence::stand_up(presence, self.seat, 0);
        }
    }
}

#[cfg(test)]
mod tests;
