//! Presence as the backend hears it.

use std::{collections::VecDeque, sync::Arc};

use tidings_protocol::{Pattern, frame::Member};
use tokio::sync::Notify;

use super::{News, Presence, SeatId, Wake};
use crate::Hub;

/// Who comes and goes on a channel, told to the backend itself; from [`Hub::watch_presence`]. It keeps the hub running.
#[derive(Debug)]
pub struct PresenceWatch {
    hub: Hub,
    seat: Option<(SeatId, Arc<Bell>)>,
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

#[derive(Debug, Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn ring(&self) {
        // Kept until it is waited for.
        self.0.notify_one();
    }
}

impl PresenceWatch {
    pub(crate) fn new(hub: Hub, channel: Pattern) -> Self {
        let seat = hub.core().presence().map(|presence| {
            let bell = Arc::new(Bell::default());
            let wake = Arc::downgrade(&bell);
            let seat = presence.sit(None, wake, 0);
            presence.watch(seat, 0, vec![channel]);
            (seat, bell)
        });
        Self { hub, seat, news: VecDeque::new() }
    }

    /// The next change, as soon as there is one; never where the hub was built without presence. It may be dropped and called
    /// again, and nothing is missed.
    pub async fn next(&mut self) -> PresenceChange {
        loop {
            if let Some(change) = self.news.pop_front() {
                return change;
            }
            let Some((seat, bell)) = &self.seat else { return std::future::pending().await };
            bell.0.notified().await;
            let taken = self.hub.core().presence().map(|presence| presence.take(*seat)).unwrap_or_default();
            self.news.extend(taken.into_iter().filter_map(change));
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
        if let (Some((seat, _)), Some(presence)) = (&self.seat, self.hub.core().presence()) {
            Presence::stand_up(presence, *seat, 0);
        }
    }
}

#[cfg(test)]
mod tests;
