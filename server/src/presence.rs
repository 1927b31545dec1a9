//! Presence: who is online, derived from the streams of this node and kept apart from the log.
//!
//! Each stream of a user has a *seat*. Its member (user and device) is in the *room* of every channel that the stream
//! carries, in the rooms of the patterns above it, and in `*`, which holds everyone. A stream that ends leaves its
//! member there for a grace period, so that a reload does not count as leaving. A stream from which no `alive` was
//! received for too long does not count until the next one. A watcher of a room is a position in the room's recent news
//! (`room`), and owns no queue either.
//!
//! The module is synchronous and has no clock: time is passed in. [`Presence::announce`] does what is due after time
//! and changes; [`Presence::poll_changed`] and [`Presence::next_due`] say when to call it.
//!
//! With several nodes, each has a `Presence` of its own streams, and a second one in which watchers have their seats. The
//! second one joins what all nodes report about their own streams (`reports`). A node reports from a seat in the first one,
//! as if it were a watcher.

mod error;
mod news;
mod reports;
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
pub(crate) use self::reports::WatchedRooms;
pub use self::settings::PresenceSettings;
pub use self::{
    error::PresenceError,
    watch::{PresenceChange, PresenceWatch},
};
use self::{
    room::{Opening, Room, Told},
    state::{Due, Seat, State},
};
use crate::{
    clock::millis,
    ranked::{self, RankedMutex},
    record::json_frame,
};

/// How long the first watchers of a room wait for all nodes before they receive what is known.
const PATIENCE_MS: u64 = 300;

#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) grace_ms: u64,
    /// The interval at which clients are expected to call `alive`.
    pub(crate) alive_ms: u64,
    /// After this much silence a stream does not count.
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
            // Two calls and some delay, because browsers let the timers of hidden pages fire only once a minute.
            silence_ms: alive_ms.saturating_mul(5) / 2,
            state: RankedMutex::default(),
            changed: AtomicBool::new(false),
            driver: AtomicWaker::new(),
        }
    }

    /// A seat for a stream. Its member, if it has one, is in no room yet.
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

    /// Sets the channels that a stream carries. The member leaves the rooms of dropped channels at once, because that
    /// is not a reload. The caller must call [`Self::nudge`] afterwards, when no lock is held.
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

    /// Ends a stream's seat. Its member stays for the grace period, but never longer than its silence would have
    /// allowed.
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

    /// Records that a client reads the stream.
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

    /// Sets the rooms that a seat watches, in place of earlier ones: it receives each room's members in full, and then
    /// joins and leaves. A call that arrives after a later one changes nothing. Returns whether it changed something,
    /// so that the seat has news. Must be followed by
    /// [`Self::nudge`] when no lock is held.
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
            state.watch(room, id);
        }
        self.changed.store(true, Ordering::Release);
        true
    }

    /// Sends a seat the full lists of these rooms, and ends those of `remove`; the other rooms continue.
    pub(crate) fn watch_other(&self, id: SeatId, add: Vec<Pattern>, remove: &[Pattern]) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return };
        let changed: HashSet<&Pattern> = add.iter().chain(remove).collect();
        seat.views.retain(|(room, _)| !changed.contains(room));
        seat.views.extend(add.iter().map(|room| (room.clone(), Told::Nothing)));
        for room in remove {
            state.unwatch(room, id);
        }
        for room in add {
            state.watch(room, id);
        }
    }

    /// The rooms that a seat watches.
    pub(crate) fn watched(&self, id: SeatId) -> Vec<Pattern> {
        let state = self.state.lock();
        let seat = state.seats.get(&id);
        seat.into_iter().flat_map(|seat| &seat.views).map(|(room, _)| room.clone()).collect()
    }

    /// Ends watches of a seat, which it has to report.
    pub(crate) fn end_watches(&self, id: SeatId, rooms: &[Pattern]) {
        let mut state = self.state.lock();
        let Some(seat) = state.seats.get_mut(&id) else { return };
        seat.views.retain(|(room, _)| !rooms.contains(room));
        seat.ended.extend_from_slice(rooms);
        for room in rooms {
            state.unwatch(room, id);
        }
    }

    /// The news that a seat has not received yet, in order, for the backend itself.
    pub(crate) fn take(&self, id: SeatId) -> Vec<News> {
        let mut state = self.state.lock();
        let State { seats, rooms, reports, .. } = &mut *state;
        let Some(seat) = seats.get_mut(&id) else { return Vec::new() };
        let ended = std::mem::take(&mut seat.ended).into_iter();
        let mut news: Vec<_> = ended
            .map(|room| News::Ended(json_frame(Some(Frame::NAME), None, &Frame::ended(room, RejectCode::Forbidden))))
            .collect();
        for (name, told) in &mut seat.views {
            if let Some(room) = rooms.get_mut(name) {
                room.tell(name, told, true, State::counts(reports, name), &mut news);
            }
        }
        news
    }

    /// The news that a stream has not received yet, as frames in order, of about this many bytes at most; and whether
    /// there is more. The rest is kept as a position in the news of each room, and at most the frames of one room,
    /// which its watchers share: a stream whose client does not read holds no lists.
    pub(crate) fn take_frames(&self, id: SeatId, max_bytes: usize) -> (Vec<Bytes>, bool) {
        let mut state = self.state.lock();
        let State { seats, rooms, reports, .. } = &mut *state;
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
            room.tell(name, told, false, State::counts(reports, name), &mut news);
            for one in news {
                match one {
                    News::Here(_, here) => seat.rest.extend(here.iter().cloned()),
                    News::Moved(moved) => seat.rest.push_back(moved.frame.clone()),
                    News::Ended(frame) => seat.rest.push_back(frame),
                }
            }
        }
    }

    /// The members in a room, sorted.
    pub(crate) fn here(&self, room: &Pattern) -> Vec<Member> {
        self.state.lock().rooms.get(room).map(Room::here).unwrap_or_default()
    }

    /// Removes members whose time is over, and makes news of the changes since the last call.
    pub(crate) fn announce(&self, now_ms: u64) {
        let mut state = self.state.lock();
        while let Some(due) = state.due.first_entry().filter(|first| *first.key() <= now_ms) {
            for due in due.remove() {
                state.look_at(due, now_ms, self.silence_ms);
            }
        }
        let mut woken = Vec::new();
        for name in std::mem::take(&mut state.dirty) {
            let State { seats, rooms, reports, due, .. } = &mut *state;
            let Some(room) = rooms.get_mut(&name) else { continue };
            let counts = State::counts(reports, &name);
            if room.opening == Opening::Unseen && !counts.is_complete() {
                room.opening = Opening::Waiting;
                due.entry(now_ms.saturating_add(PATIENCE_MS)).or_default().push(Due::Open(name.clone()));
            }
            if room.announce(&name, counts) {
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

    /// Ready when something has changed since the last time.
    pub(crate) fn poll_changed(&self, cx: &Context<'_>) -> Poll<()> {
        self.driver.register(cx.waker());
        if self.changed.swap(false, Ordering::AcqRel) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// When something is due although nothing changes.
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

/// The rooms of a stream that carries these channels: theirs, those of the patterns above them, and the room of
/// everyone.
fn rooms_of(channels: &[Pattern]) -> HashSet<Pattern> {
    let above = channels.iter().flat_map(|channel| channel.ancestors().map(|prefix| format!("{prefix}*")));
    let above = above.chain(["*".to_owned()]);
    // The patterns above a channel are shorter than the channel, so they are valid.
    above.filter_map(|text| text.parse().ok()).chain(channels.iter().cloned()).collect()
}
