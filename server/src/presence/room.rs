//! The members of one room, and its recent news. A watcher is a position in these news: one that reads slowly costs
//! nothing, and if the news no longer reach back to it, it receives the full list again.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use tidings_protocol::{
    Pattern,
    frame::{Member, Presence as Frame},
};

use super::{
    news::{Moved, News, SeatId},
    reports::Counts,
};
use crate::{gathered::Gathered, record::json_frame};

/// About the most bytes of members in one frame, as large as an event may be; further members go into further frames.
const FRAME_BYTES: usize = 64 << 10;
/// The bytes of a member in JSON, beside the letters of its ids.
const MEMBER_BYTES: usize = 32;

/// How many bytes of news are kept for slow readers; beyond that, the full list is shorter.
const RECENT_BYTES: usize = 64 << 10;

#[derive(Debug, Default)]
pub(super) struct Room {
    members: BTreeMap<Member, Stay>,
    pub(super) watchers: BTreeSet<SeatId>,
    joined: BTreeSet<Member>,
    left: BTreeSet<Member>,
    /// The number of news so far.
    revision: u64,
    /// The latest news, encoded once for all watchers.
    recent: VecDeque<Arc<Moved>>,
    recent_bytes: usize,
    /// The full list as of `revision` and these counts, encoded: the first frame lists members, the others add further ones.
    here: Option<(Counts, Arc<[Bytes]>)>,
    /// Whether the watchers have to be woken: there may be news for them.
    ring: bool,
    /// The value of the watch counter when the room was first watched: a room that lost all watchers and is watched
    /// again has another one.
    pub(super) generation: u64,
    /// Whether the room is open: its first watchers wait until all nodes have answered, or for a moment.
    pub(super) opening: Opening,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    #[default]
    Unseen,
    Waiting,
    Open,
}

#[derive(Debug, Default)]
struct Stay {
    streams: usize,
    /// The member's last stream has ended; another one must come before this time.
    until: Option<u64>,
}

/// How far a watcher has been informed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Nothing,
    /// It has received the news up to this number, and these counts with its latest list.
    UpTo(u64, Counts),
}

impl Room {
    pub(super) fn enter(&mut self, member: &Member) {
        if !self.members.contains_key(member) && !self.left.remove(member) {
            self.joined.insert(member.clone());
        }
        let stay = self.members.entry(member.clone()).or_default();
        stay.streams += 1;
        stay.until = None;
    }

    /// Removes a stream of a member. Returns whether it was the member's last stream here.
    pub(super) fn exit(&mut self, member: &Member, until: Option<u64>) -> bool {
        let Some(stay) = self.members.get_mut(member) else { return false };
        stay.streams = stay.streams.saturating_sub(1);
        if stay.streams > 0 {
            return false;
        }
        stay.until = until;
        if until.is_none() {
            self.remove(member);
        }
        true
    }

    /// Removes a member whose time is over. Returns whether it was.
    pub(super) fn expire(&mut self, member: &Member, now_ms: u64) -> bool {
        let is_over = |stay: &Stay| stay.until.is_some_and(|until| until <= now_ms);
        let over = self.members.get(member).is_some_and(is_over);
        if over {
            self.remove(member);
        }
        over
    }

    fn remove(&mut self, member: &Member) {
        self.members.remove(member);
        if !self.joined.remove(member) {
            self.left.insert(member.clone());
        }
    }

    pub(super) fn here(&self) -> Vec<Member> {
        self.members.keys().cloned().collect()
    }

    pub(super) fn is_deserted(&self) -> bool {
        self.members.is_empty() && self.watchers.is_empty()
    }

    /// Makes news of the changes since the last ones. Returns whether the watchers have to be woken.
    pub(super) fn announce(&mut self, name: &Pattern, counts: Counts) -> bool {
        self.publish(name);
        if counts.is_complete() && self.opening != Opening::Open {
            self.open();
        }
        std::mem::take(&mut self.ring)
    }

    /// Opens the room: from here on watchers receive news even if a node has not answered.
    pub(super) fn open(&mut self) {
        self.opening = Opening::Open;
        self.ring = true;
    }

    /// The counts may have changed. Each watcher compares them with those that it has received.
    pub(super) fn counts_changed(&mut self) {
        self.ring = true;
    }

    fn publish(&mut self, name: &Pattern) {
        let (join, leave) = (std::mem::take(&mut self.joined), std::mem::take(&mut self.left));
        if join.is_empty() && leave.is_empty() {
            return;
        }
        self.revision += 1;
        self.ring = true;
        self.here = None;
        if self.watchers.is_empty() {
            self.recent.clear();
            self.recent_bytes = 0;
            return;
        }
        let (join, leave) = (Vec::from_iter(join), Vec::from_iter(leave));
        let parts = if bytes(&join) + bytes(&leave) <= FRAME_BYTES {
            vec![(join, leave)]
        } else {
            let left = chunks(leave.into_iter()).map(|leave| (Vec::new(), leave));
            chunks(join.into_iter()).map(|join| (join, Vec::new())).chain(left).collect()
        };
        for (index, (join, leave)) in parts.into_iter().enumerate() {
            // The first news has its number already.
            self.revision += u64::from(index > 0);
            let frame = moved_frame(name, &join, &leave);
            self.recent_bytes += frame.len();
            self.recent.push_back(Arc::new(Moved { join, leave, frame }));
        }
        while self.recent_bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else { break };
            self.recent_bytes -= oldest.frame.len();
        }
    }

    /// The news that a watcher has not received yet; with a list of all members, if it wants one beside the frames. A
    /// watcher that has received other counts receives the full list again, with these.
    pub(super) fn tell(
        &mut self,
        name: &Pattern,
        told: &mut Told,
        is_listed: bool,
        counts: Counts,
        news: &mut Vec<News>,
    ) {
        if self.opening != Opening::Open && !counts.is_complete() {
            return;
        }
        let (behind, counts_told) = match *told {
            Told::UpTo(revision, then) if !counts.replaces(then) => {
                (usize::try_from(self.revision - revision).ok(), then)
            }
            Told::UpTo(..) | Told::Nothing => (None, counts),
        };
        match behind.and_then(|behind| self.recent.len().checked_sub(behind)) {
            Some(from) => news.extend(self.recent.range(from..).cloned().map(News::Moved)),
            None => {
                // The list includes news in the making, which must not be sent again.
                self.publish(name);
                let frames = match self.here.take() {
                    Some((then, frames)) if then == counts => frames,
                    _ => here_frames(name, self.members.keys().cloned(), counts),
                };
                self.here = Some((counts, frames.clone()));
                let value = if is_listed { self.here() } else { Vec::new() };
                news.push(News::Here(Gathered { value, asked: counts.asked, answered: counts.answered }, frames));
            }
        }
        *told = Told::UpTo(self.revision, counts_told);
    }
}

fn bytes_of(member: &Member) -> usize {
    MEMBER_BYTES + member.user_id.as_str().len() + member.device_id.as_ref().map_or(0, |device| device.as_str().len())
}

fn bytes(members: &[Member]) -> usize {
    members.iter().map(bytes_of).sum()
}

/// The members in lists, each of which fits one frame.
fn chunks(members: impl Iterator<Item = Member>) -> impl Iterator<Item = Vec<Member>> {
    let mut members = members.peekable();
    std::iter::from_fn(move || {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        while let Some(member) = members.next_if(|member| chunk.is_empty() || bytes + bytes_of(member) <= FRAME_BYTES) {
            bytes += bytes_of(&member);
            chunk.push(member);
        }
        (!chunk.is_empty()).then_some(chunk)
    })
}

fn moved_frame(name: &Pattern, join: &[Member], leave: &[Member]) -> Bytes {
    json_frame(Some(Frame::NAME), None, &Frame::moved(name.clone(), join.to_vec(), leave.to_vec()))
}

fn here_frames(name: &Pattern, members: impl Iterator<Item = Member>, counts: Counts) -> Arc<[Bytes]> {
    let mut chunks = chunks(members);
    let of_several = |count| (counts.asked > 1).then_some(count);
    let first = Frame {
        asked: of_several(counts.asked),
        answered: of_several(counts.answered),
        ..Frame::here(name.clone(), chunks.next().unwrap_or_default())
    };
    let first = json_frame(Some(Frame::NAME), None, &first);
    std::iter::once(first).chain(chunks.map(|join| moved_frame(name, &join, &[]))).collect()
}
