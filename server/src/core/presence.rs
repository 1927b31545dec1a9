//! Presence beside the core: each stream has a seat, which holds what the stream holds; its news leave with the next step.

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
    /// With presence, or without.
    pub(crate) fn with_presence(mut self, presence: Option<Presence>) -> Self {
        self.presence = presence;
        self
    }

    /// Presence, where it is on.
    pub(crate) fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// A seat for a new stream.
    pub(super) fn seat(&self, link: &Arc<Link>, channels: &[Pattern], now_ms: u64) {
        let Some(presence) = &self.presence else { return };
        let weak: Weak<Link> = Arc::downgrade(link);
        let seat = presence.sit(member(&link.names), weak, now_ms);
        // Nobody else can have set it: the stream's name is not known yet.
        let _ = link.place.set(Place { seat, news: AtomicBool::new(false) });
        presence.hold(seat, channels);
        presence.nudge();
    }

    /// The stream has ended; its member stays for a while.
    pub(crate) fn unseat(&self, link: &Link, now_ms: u64) {
        if let Some((presence, place)) = self.seated(link) {
            presence.stand_up(place.seat, now_ms);
        }
    }

    /// What the stream holds has changed. To be followed by [`Self::reseated`] when the connection is let go of.
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

    /// Adds the news of who came and left to a step that writes, or makes one of them. They are about the present and carry
    /// no position, so that it is all the same between which records they stand.
    /// They take about as much room as is left of `max_bytes`; the rest comes with the next step.
    pub(super) fn with_news(&self, link: &Link, state: &Connection, step: Step, max_bytes: usize) -> Step {
        let Some((presence, place)) = self.seated(link) else { return step };
        if state.has_ended() || matches!(step, Step::Read { .. }) || !place.news.swap(false, Ordering::AcqRel) {
            return step;
        }
        let taken = match &step {
            Step::Write(frames) => frames.iter().map(bytes::Bytes::len).sum(),
            _ => 0,
        };
        let (news, is_more) = presence.take_frames(place.seat, max_bytes.saturating_sub(taken));
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

    /// Somebody reads the stream.
    pub(crate) fn alive(&self, link: &Link, now_ms: u64) {
        if let Some((presence, place)) = self.seated(link) {
            presence.heard(place.seat, now_ms);
        }
    }

    /// The stream is to tell who is online there, in place of what it told before. Whether there are news by that.
    pub(super) fn watch(&self, link: &Link, revision: u64, rooms: Vec<Pattern>) -> bool {
        let Some((presence, place)) = self.seated(link) else { return false };
        let is_news = presence.watch(place.seat, revision, rooms);
        place.news.fetch_or(is_news, Ordering::AcqRel);
        is_news
    }

    /// The rooms of which a stream tells who is online.
    pub(super) fn watched(&self, link: &Link) -> Vec<Pattern> {
        self.seated(link).map(|(presence, place)| presence.watched(place.seat)).unwrap_or_default()
    }

    /// The stream may no longer tell presence of these rooms; it says so with its next step, which the caller sees to.
    pub(super) fn end_watches(&self, link: &Link, rooms: &[Pattern]) {
        if let Some((presence, place)) = self.seated(link).filter(|_| !rooms.is_empty()) {
            presence.end_watches(place.seat, rooms);
            place.news.store(true, Ordering::Release);
        }
    }

    fn seated<'a>(&'a self, link: &'a Link) -> Option<(&'a Presence, &'a Place)> {
        Some((self.presence.as_ref()?, link.place.get()?))
    }
}

/// As whom a stream is seen: nobody, where it is nobody's in particular.
fn member(names: &Names) -> Option<Member> {
    Some(Member { user_id: names.user.clone()?, device_id: names.device.clone() })
}
