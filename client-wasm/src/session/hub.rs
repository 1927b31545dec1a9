//! The leader as a small hub for the other tabs: whose streams there are, and what each of them carries.
//!
//! What a member asks for is asked of the server together with the leader's own, and stands in the ledger under the member's number.
//! What the server brings is handed on as it came: events to those who asked for their channel, backfill to whose call it was, gaps to
//! all whom they may concern. A member compares with its own floors, as it would on a stream of the server.
//!
//! The stream is nobody's but the leader's: a tab that is somewhere else, because it was away or another led until now, is
//! brought what it missed by a call, addressed events too.

mod members;

use tidings_protocol::Pattern;

use super::{
    Action, Cursors, Frame, Message, Rejected, Session, Status, Trouble, message::TabTell, phase::Phase,
    subscription::Standing,
};
use crate::{routes::HandlerId, text::text_of};

/// How far the stream is, without an event for anybody, is handed on at most this often.
const PLACE_MS: u64 = 1_000;

/// What a leader knows of the others.
#[derive(Debug)]
pub(super) struct Hub {
    term: String,
    said: u32,
    /// The place is said by this time, so that the others do not think that nobody leads.
    beat_at: u64,
    placed_at: u64,
    members: Vec<Member>,
    numbers: u32,
    /// Who asked before there was a stream.
    waiting: Vec<Waiting>,
    /// What became of that which members asked for, to be told at the end of the input, call by call.
    outcomes: Vec<Outcome>,
    /// What members asked for and had before; forgotten at the end of the input.
    doubles: Vec<HandlerId>,
    /// Calls of members about presence that are answered when the leader's own is.
    watching: Vec<(u32, u32)>,
}

/// A tab that follows.
#[derive(Debug)]
struct Member {
    number: u32,
    name: String,
}

/// A tab that asked for a stream.
#[derive(Debug)]
struct Waiting {
    name: String,
    attempt: u32,
    user: String,
    channels: Vec<Pattern>,
}

#[derive(Debug)]
enum Outcome {
    Confirmed { member: u32, call: u32, channel: Option<Pattern>, cursor: Option<Cursors> },
    Refused { member: u32, rejected: Rejected },
    Given { channels: Vec<Pattern>, cursor: Option<Cursors> },
}

impl Hub {
    pub(super) fn new(term: String) -> Self {
        Self {
            term,
            said: 0,
            beat_at: 0,
            placed_at: 0,
            members: Vec::new(),
            numbers: 0,
            waiting: Vec::new(),
            outcomes: Vec::new(),
            doubles: Vec::new(),
            watching: Vec::new(),
        }
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        (!self.members.is_empty()).then_some(self.beat_at)
    }

    fn take_member(&mut self, name: &str) -> Option<Member> {
        let index = self.members.iter().position(|member| member.name == name)?;
        Some(self.members.remove(index))
    }

    /// The next thing to say.
    pub(super) fn next(&mut self, tell: TabTell) -> Message {
        self.said += 1;
        Message::Tell { term: self.term.clone(), number: self.said, tell }
    }
}

impl Session {
    #[inline(never)]
    pub(super) fn tell(&mut self, tell: TabTell) {
        self.post(tell, false);
    }

    #[inline(never)]
    fn post(&mut self, tell: TabTell, with_frame: bool) {
        if let Some(hub) = self.hub() {
            let message = hub.next(tell);
            self.actions.push(Action::Post { message, with_frame });
        }
    }

    /// Says something to all members, if there are any.
    #[inline(never)]
    pub(super) fn tell_others(&mut self, tell: TabTell) {
        if self.hub().is_some_and(|hub| !hub.members.is_empty()) {
            self.tell(tell);
        }
    }

    /// Hands a frame on to all members.
    pub(super) fn tell_frame(&mut self, frame: Frame) {
        self.tell_others(TabTell::Frame { member: None, frame });
    }

    /// Hands an event on, or the place it leads to.
    pub(super) fn relay_event(&mut self, now: u64, id: Option<Cursors>, members: Vec<u32>) {
        let Some(hub) = self.hub() else { return };
        if !members.is_empty() {
            self.post(TabTell::Event { id, members }, true);
        } else if now >= hub.placed_at.saturating_add(PLACE_MS) {
            hub.placed_at = now;
            self.post_place();
        }
    }

    /// Hands an event of the past on to those who asked for it.
    pub(super) fn relay_backfill(&mut self, calls: Vec<(u32, u32)>) {
        if !calls.is_empty() {
            self.post(TabTell::Backfill { calls }, true);
        }
    }

    pub(super) fn post_place(&mut self) {
        let id = self.place();
        self.tell_frame(Frame::Heartbeat { id });
    }

    /// The stream goes on from here, perhaps for those whose credentials are others now.
    pub(super) fn post_renewed(&mut self) {
        if let Some(connected) = self.connected_of_hub() {
            self.tell_frame(Frame::Connected(connected));
        }
    }

    pub(super) fn post_status(&mut self, status: &Status) {
        self.tell_others(TabTell::Status(status.clone()));
    }

    pub(super) fn post_trouble(&mut self, trouble: &Trouble) {
        self.tell_others(TabTell::Trouble(trouble.clone()));
    }

    /// The end of an input: tells members what became of their calls.
    pub(super) fn tell_outcomes(&mut self) {
        let is_watching = match &self.phase {
            Phase::Open(stream) => stream.watch.is_waiting(),
            _ => true,
        };
        let Some(hub) = self.hub() else { return };
        let mut outcomes = std::mem::take(&mut hub.outcomes);
        let watching = if is_watching { Vec::new() } else { std::mem::take(&mut hub.watching) };
        let doubles = std::mem::take(&mut hub.doubles);
        if !doubles.is_empty() {
            self.remove_others(&|one| doubles.contains(&one.id));
        }
        while let Some(first) = outcomes.first() {
            match first {
                Outcome::Given { channels, cursor } => {
                    let (channels, cursor) = (channels.clone(), *cursor);
                    outcomes.remove(0);
                    let request_id = "server".to_owned();
                    self.tell_frame(Frame::Subscribed { request_id, channels, addressed: false, cursor });
                }
                Outcome::Confirmed { member, call, cursor, .. } => {
                    let (member, call, cursor) = (*member, *call, *cursor);
                    let (mut channels, mut addressed) = (Vec::new(), false);
                    outcomes.retain_mut(|outcome| match outcome {
                        Outcome::Confirmed { member: m, call: c, channel, cursor: at }
                            if (*m, *c, *at) == (member, call, cursor) =>
                        {
                            match channel.take() {
                                Some(channel) => channels.push(channel),
                                None => addressed = true,
                            }
                            false
                        }
                        _ => true,
                    });
                    let frame = Frame::Subscribed { request_id: text_of(call), channels, addressed, cursor };
                    self.tell(TabTell::Frame { member: Some(member), frame });
                }
                Outcome::Refused { member, .. } => {
                    let member = *member;
                    let mut refused = Vec::new();
                    outcomes.retain(|outcome| match outcome {
                        Outcome::Refused { member: m, rejected } if *m == member => {
                            refused.push(rejected.clone());
                            false
                        }
                        _ => true,
                    });
                    self.tell(TabTell::Refused { member, rejected: refused });
                }
            }
        }
        for (member, number) in watching {
            self.tell(TabTell::Answer { member, number, status: 200 });
        }
    }

    pub(super) fn wake_hub(&mut self, now: u64) {
        let heartbeat_ms = self.heartbeat_ms;
        let Some(hub) = self.hub() else { return };
        if now >= hub.beat_at {
            hub.beat_at = now.saturating_add(heartbeat_ms);
            self.post_place();
        }
    }
}

/// The number of no call: what a stream carries without being asked.
const UNASKED: u32 = 0;
/// Of what says by which labels a tab hears, and brings it nothing.
const LABEL: u32 = u32::MAX;
/// Asked for, and not yet of the server.
const PENDING: Standing = Standing::Pending { since: None, call: None };
