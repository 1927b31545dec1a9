//! Presence beside the core. Each stream has a seat, which holds the stream's channels; presence news leave with the
//! stream's next step.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use tidings_protocol::{Pattern, frame::Member};

use super::{Core, Link, link::Place};
use crate::{
    connection::{Connection, Names, Step},
    presence::Presence,
};

impl Core {
    /// Sets presence, or switches it off.
    pub(crate) fn with_presence(mut self, presence: Option<Presence>) -> Self {
        self.presence = presence;
        self
    }

    /// With that of all nodes of the log, where there are others.
    pub(crate) fn with_cluster_presence(mut self, presence: Option<Presence>) -> Self {
        self.cluster_presence = presence;
        self
    }

    /// Presence by the streams of this node, where it is on.
    pub(crate) fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// Presence by the streams of all nodes of the log, where there are others.
    pub(crate) fn cluster_presence(&self) -> Option<&Presence> {
        self.cluster_presence.as_ref()
    }

    /// The one in which those who watch have their seats.
    pub(crate) fn watched_presence(&self) -> Option<&Presence> {
        self.cluster_presence.as_ref().or(self.presence.as_ref())
    }

    /// A seat for a new stream.
    pub(super) fn seat(&self, link: &Arc<Link>, channels: &[Pattern], now_ms: u64) {
        let Some(presence) = &self.presence else { return };
        let weak: Weak<Link> = Arc::downgrade(link);
        let seat = presence.sit(member(&link.names), weak.clone(), now_ms);
        let watcher = self.cluster_presence.as_ref().map_or(seat, |presence| presence.sit(None, weak, now_ms));
        // No other caller can have set it, because the stream's id is not known to anyone yet.
        let _ = link.place.set(Place { seat, watcher, news: AtomicBool::new(false) });
        presence.hold(seat, channels);
        presence.nudge();
    }

    /// Releases the seat of a stream that has ended. Its member stays online for the grace period.
    pub(crate) fn unseat(&self, link: &Link, now_ms: u64) {
        if let Some((presence, place)) = self.seated(link) {
            presence.stand_up(place.seat, now_ms);
            if let Some(presence) = &self.cluster_presence {
                presence.stand_up(place.watcher, now_ms);
            }
        }
    }

    /// Updates the seat after the stream's channels changed. The caller must call [`Self::reseated`] after it has
    /// released the connection.
    pub(super) fn reseat(&self, link: &Link, state: &Connection) {
        if let Some((presence, place)) = self.seated(link) {
            presence.hold(place.seat, state.active());
        }
    }

    pub(super) fn reseated(&self) {
        if let Some(presence) = &self.presence {
            presence.nudge();
        }
    }

    /// Adds presence news to a step that writes, or turns another step into one. News are about the present and carry
    /// no position, so it does not matter between which records they stand. They use about the room that is left of
    /// `max_bytes`; the rest comes with the next step.
    pub(super) fn with_news(&self, link: &Link, state: &Connection, step: Step, max_bytes: usize) -> Step {
        let Some((presence, place)) = self.watching(link) else { return step };
        if state.has_ended() || matches!(step, Step::Read { .. }) || !place.news.swap(false, Ordering::AcqRel) {
            return step;
        }
        let taken = match &step {
            Step::Write(frames) => frames.iter().map(bytes::Bytes::len).sum(),
            _ => 0,
        };
        let (news, is_more) = presence.take_frames(place.watcher, max_bytes.saturating_sub(taken));
        if is_more {
            place.news.store(true, Ordering::Release);
            link.due.store(true, Ordering::Release);
        }
        match step {
            Step::Write(mut frames) => {
                frames.extend(news);
                Step::Write(frames)
            }
            step if news.is_empty() => step,
            _ => Step::Write(news),
        }
    }

    /// Records that a client reads the stream.
    pub(crate) fn alive(&self, link: &Link, now_ms: u64) {
        if let Some((presence, place)) = self.seated(link) {
            presence.heard(place.seat, now_ms);
        }
    }

    /// Sets the channels whose presence the stream reports, in place of earlier ones. Returns whether that makes news.
    pub(super) fn watch(&self, link: &Link, revision: u64, rooms: Vec<Pattern>) -> bool {
        let Some((presence, place)) = self.watching(link) else { return false };
        let is_news = presence.watch(place.watcher, revision, rooms);
        place.news.fetch_or(is_news, Ordering::AcqRel);
        is_news
    }

    /// Wakes the driver of presence. Must follow [`Self::watch`], once the connection's lock is released.
    pub(super) fn watches_changed(&self) {
        if let Some(presence) = self.watched_presence() {
            presence.nudge();
        }
    }

    /// The channels whose presence a stream reports.
    pub(super) fn watched(&self, link: &Link) -> Vec<Pattern> {
        self.watching(link).map(|(presence, place)| presence.watched(place.watcher)).unwrap_or_default()
    }

    /// Ends the stream's presence watches on these channels. The stream reports it with its next step, which the caller
    /// must trigger.
    pub(super) fn end_watches(&self, link: &Link, rooms: &[Pattern]) {
        if let Some((presence, place)) = self.watching(link).filter(|_| !rooms.is_empty()) {
            presence.end_watches(place.watcher, rooms);
            place.news.store(true, Ordering::Release);
        }
    }

    fn seated<'a>(&'a self, link: &'a Link) -> Option<(&'a Presence, &'a Place)> {
        Some((self.presence.as_ref()?, link.place.get()?))
    }

    fn watching<'a>(&'a self, link: &'a Link) -> Option<(&'a Presence, &'a Place)> {
        Some((self.watched_presence()?, link.place.get()?))
    }
}

/// The member as which a stream counts; `None` where it is anonymous.
fn member(names: &Names) -> Option<Member> {
    Some(Member { user_id: names.user.clone()?, device_id: names.device.clone() })
}
