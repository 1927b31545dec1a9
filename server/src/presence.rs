//! Who is online: derived from the streams of this node, kept apart from the log.
//!
//! Each stream of a user has a *seat*. Its member (user and device) is in the *room* of every channel that the stream
//! holds, in those of the patterns above it, and in `*`, which is everyone. A stream that ends leaves its member there for
//! a grace period, so that a reload is not a leave; one from which no `alive` was heard for too long does not count until
//! it is heard again. Who watches a room is a place in its recent news (`room`), and owns no queue either.
//!
//! Synchronous, and without a clock: time is passed in. [`Presence::announce`] does what time and the changes before it
//! ask for; [`Presence::poll_changed`] and [`Presence::next_due`] say when to call it.
//!
//! With several nodes, each knows the streams that it holds. Their rooms are joined where a member enters and leaves
//! ([`State::enter`], [`State::exit`]): another node's members would take seats here as its messages name them, and lose
//! them when it falls silent.

mod error;
mod news;
mod room;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use tidings_protocol::{
    Pattern,
    frame::{Member, Presence as Frame, RejectCode},
};

pub(crate) use self::news::{News, SeatId, Wake};
pub use self::settings::PresenceSettings;
pub use self::{
    error::PresenceError,
    watch::{PresenceChange, PresenceWatch},
};
use self::{
    room::{Room, Told},
    state::{Due, Seat, State},
};
use crate::{
    clock::millis,
    ranked::{self, RankedMutex},
    record::json_frame,
};

#[derive(Debug)]
pub(crate) struct Presence {
    grace_ms: u64,
    /// How often a stream is to be heard of.
    pub(crate) alive_ms: u64,
    /// A stream that was not heard of for longer does not count.
    silence_ms: u64,
    state: RankedMutex<State, { ranked::PRESENCE }>,
    changed: AtomicBool,
    driver: AtomicWaker,
}

impl Presence {
    pub(crate) fn new(settings: PresenceSettings) -> Self {
        let alive_ms = millis(settings.alive).max(1);
        Self {
            grace_ms: millis(settings.grace),
            alive_ms,
            // Two calls and some delay: browsers let the timers of hidden pages fire once a minute.
            silence_ms: alive_ms.saturating_mul(5) / 2,
            state: RankedMutex::default(),
            changed: AtomicBool::new(false),
            driver: AtomicWaker::new(),
        }
    }

    /// A seat for a stream whose member, if it has one, is in no room yet.
    pub(crate) fn sit(&self, member: Option<Member>, wake: Weak<dyn Wake>, now_ms: u64) -> SeatId {
        let mut state = self.state.lock();
        state.last_seat += 1;
        let id = state.last_seat;
        if member.is_some() {
            state.due.entry(now_ms.saturating_add(self.silence_ms)).or_default().push(Due::Silence(id));
        }
        let seat = Seat {
            member,
            rooms: HashSet::new(),
            heard_ms: now_ms,
            silent: false,
            views: Vec::new(),
            ended: Vec::new(),
            rest: VecDeque::new(),
            revision: None,
            wake,
        };
        state.seats.insert(id, seat);
        self.changed.store(true, Ordering::Release);
        id
    }

    /// The channels that a stream holds now. What it gave up is left at once: that is no reload. To be followed by
    /// [`Self::nudge`], when no lock is held.
    pub(crate) fn hold(&self, id: SeatId, channels: &[Pattern]) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return };
        let Some(member) = seat.member.clone() else { return };
        let rooms = rooms_of(channels);
        let before = std::mem::replace(&mut seat.rooms, rooms.clone());
        if seat.silent {
            return;
        }
        for room in before.difference(&rooms) {
            state.exit(room, &member, None);
        }
        for room in rooms.difference(&before) {
            state.enter(room, &member);
        }
        self.changed.store(true, Ordering::Release);
    }

    /// The stream has ended. Its member stays for the grace period, but never longer than silence would have let it.
    pub(crate) fn stand_up(&self, id: SeatId, now_ms: u64) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.remove(&id) else { return };
        for (room, _) in &seat.views {
            state.unwatch(room, id);
        }
        if let Some(member) = seat.member.filter(|_| !seat.silent) {
            let until = now_ms.saturating_add(self.grace_ms).min(seat.heard_ms.saturating_add(self.silence_ms));
            for room in &seat.rooms {
                state.exit(room, &member, Some(until.max(now_ms)));
            }
        }
        drop(state);
        self.change();
    }

    /// Somebody reads the stream.
    pub(crate) fn heard(&self, id: SeatId, now_ms: u64) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return };
        seat.heard_ms = now_ms;
        if !std::mem::take(&mut seat.silent) {
            return;
        }
        let (member, rooms) = (seat.member.clone(), seat.rooms.clone());
        if let Some(member) = member {
            state.due.entry(now_ms.saturating_add(self.silence_ms)).or_default().push(Due::Silence(id));
            for room in &rooms {
                state.enter(room, &member);
            }
        }
        drop(state);
        self.change();
    }

    /// Tells a seat who is in these rooms, in full, and from then on who comes and goes; in place of what it was told
    /// before. A call that was overtaken by a later one changes nothing. Whether it changed something, so that the seat has news.
    pub(crate) fn watch(&self, id: SeatId, revision: u64, rooms: Vec<Pattern>) -> bool {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return false };
        if seat.revision.is_some_and(|latest| revision <= latest) {
            return false;
        }
        seat.revision = Some(revision);
        seat.ended.clear();
        seat.rest.clear();
        let views = rooms.iter().map(|room| (room.clone(), Told::Nothing)).collect();
        let before = std::mem::replace(&mut seat.views, views);
        for (room, _) in before.iter().filter(|(room, _)| !rooms.contains(room)) {
            state.unwatch(room, id);
        }
        for room in rooms {
            state.rooms.entry(room).or_default().watchers.insert(id);
        }
        true
    }

    /// The rooms that a seat watches.
    pub(crate) fn watched(&self, id: SeatId) -> Vec<Pattern> {
        let state = self.state.lock();
        let seat = state.seats.get(&id);
        seat.into_iter().flat_map(|seat| &seat.views).map(|(room, _)| room.clone()).collect()
    }

    /// Ends what a seat may watch no longer, of which it has to tell.
    pub(crate) fn end_watches(&self, id: SeatId, rooms: &[Pattern]) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return };
        seat.views.retain(|(room, _)| !rooms.contains(room));
        seat.ended.extend_from_slice(rooms);
        for room in rooms {
            state.unwatch(room, id);
        }
    }

    /// What a seat has not been told yet, in order, for the backend itself.
    pub(crate) fn take(&self, id: SeatId) -> Vec<News> {
        let mut state = self.state.lock();
        let State { seats, rooms, .. } = &mut *state;
        let Some(seat) = seats.get_mut(&id) else { return Vec::new() };
        let ended = std::mem::take(&mut seat.ended).into_iter();
        let mut news: Vec<_> = ended
            .map(|room| News::Ended(json_frame(Some(Frame::NAME), None, &Frame::ended(room, RejectCode::Forbidden))))
            .collect();
        for (name, told) in &mut seat.views {
            if let Some(room) = rooms.get_mut(name) {
                room.tell(name, told, true, &mut news);
            }
        }
        news
    }

    /// What a stream has not been told yet, in frames and in order, about so many bytes at most; and whether there is more. What is left
    /// is a place in the news of each room, and the frames of one room at most, which its watchers share: a stream that is not read
    /// holds no lists.
    pub(crate) fn take_frames(&self, id: SeatId, max_bytes: usize) -> (Vec<Bytes>, bool) {
        let mut state = self.state.lock();
        let State { seats, rooms, .. } = &mut *state;
        let Some(seat) = seats.get_mut(&id) else { return (Vec::new(), false) };
        let (mut frames, mut bytes) = (Vec::new(), 0);
        for room in std::mem::take(&mut seat.ended) {
            seat.rest.push_back(json_frame(Some(Frame::NAME), None, &Frame::ended(room, RejectCode::Forbidden)));
        }
        let mut views = seat.views.iter_mut();
        loop {
            while bytes < max_bytes
                && let Some(frame) = seat.rest.pop_front()
            {
                bytes += frame.len();
                frames.push(frame);
            }
            if !seat.rest.is_empty() {
                return (frames, true);
            }
            let Some((name, told)) = views.next() else { return (frames, false) };
            let Some(room) = rooms.get_mut(name) else { continue };
            let mut news = Vec::new();
            room.tell(name, told, false, &mut news);
            for one in news {
                match one {
                    News::Here(_, here) => seat.rest.extend(here.iter().cloned()),
                    News::Moved(moved) => seat.rest.push_back(moved.frame.clone()),
                    News::Ended(frame) => seat.rest.push_back(frame),
                }
            }
        }
    }

    /// Who is in a room, sorted.
    pub(crate) fn here(&self, room: &Pattern) -> Vec<Member> {
        self.state.lock().rooms.get(room).map(Room::here).unwrap_or_default()
    }

    /// Lets those go whose time is over, and tells what has happened since the last call.
    pub(crate) fn announce(&self, now_ms: u64) {
        let mut state = self.state.lock();
        while let Some(due) = state.due.first_entry().filter(|first| *first.key() <= now_ms) {
            for due in due.remove() {
                state.look_at(due, now_ms, self.silence_ms);
            }
        }
        let mut woken = Vec::new();
        for name in std::mem::take(&mut state.dirty) {
            let State { seats, rooms, .. } = &mut *state;
            let Some(room) = rooms.get_mut(&name) else { continue };
            if room.announce(&name) {
                woken.extend(room.watchers.iter().filter_map(|id| seats.get(id)?.wake.upgrade()));
            }
            if room.is_deserted() {
                rooms.remove(&name);
            }
        }
        drop(state);
        for wake in woken {
            wake.ring();
        }
    }

    /// Ready when something has changed since it last was.
    pub(crate) fn poll_changed(&self, cx: &Context<'_>) -> Poll<()> {
        self.driver.register(cx.waker());
        if self.changed.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// When there is something to do although nothing changes.
    pub(crate) fn next_due(&self) -> Option<u64> {
        self.state.lock().due.first_key_value().map(|(at, _)| *at)
    }

    /// Wakes the driver if something has changed.
    pub(crate) fn nudge(&self) {
        if self.changed.load(Ordering::Acquire) {
            self.driver.wake();
        }
    }

    fn change(&self) {
        self.changed.store(true, Ordering::Release);
        self.driver.wake();
    }
}

/// The rooms that a stream is in by the channels that it holds: these, the patterns above them, and that of everyone.
fn rooms_of(channels: &[Pattern]) -> HashSet<Pattern> {
    let above = channels.iter().flat_map(|channel| channel.ancestors().map(|prefix| format!("{prefix}*")));
    let above = above.chain(["*".to_owned()]);
    // What lies above a channel is a pattern, and no longer.
    above.filter_map(|text| text.parse().ok()).chain(channels.iter().cloned()).collect()
}
