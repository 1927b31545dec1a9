//! The leader as a small hub for the other tabs: it knows which of them use its stream.
//!
//! A member's requests are sent to the server together with the leader's own, and are kept in the ledger under the
//! member's number. Frames of the server are passed on as they came: events to the members that requested their
//! channel, backfill to the member whose call it was, gaps to all members that they may concern. A member compares with
//! its own positions, as it would on a stream of the server.
//!
//! The stream has the leader's position: a tab with another position, because it was away or another tab led until now,
//! receives the events that it missed through a call, addressed events too.

use tidings_protocol::Pattern;

use super::message::{Message, TabTell};

/// How often, at most, the stream's cursor is passed on without an event.
const CURSOR_MS: u64 = 1_000;

/// The state that a leader keeps of the others.
#[derive(Debug)]
pub(in crate::client) struct Hub {
    term: String,
    /// The number of messages sent.
    said: u32,
    /// The cursor is sent by this time at the latest, so that the others do not think that the leader is gone.
    beat_at: u64,
    cursor_told_at: u64,
    members: Vec<Member>,
    numbers: u32,
    /// The tabs that asked before a stream existed.
    waiting: Vec<Waiting>,
    /// Calls of members about presence that are answered together with the leader's own.
    presence_calls: Vec<(u32, u32)>,
}

/// A tab that follows.
#[derive(Debug)]
struct Member {
    number: u32,
    name: String,
}

/// A tab that has asked for a stream.
#[derive(Debug)]
pub(in crate::client) struct Waiting {
    pub(in crate::client) name: String,
    pub(in crate::client) attempt: u32,
    pub(in crate::client) user: String,
    pub(in crate::client) channels: Vec<Pattern>,
}

impl Hub {
    pub(super) fn new(term: String) -> Self {
        Self {
            term,
            said: 0,
            beat_at: 0,
            cursor_told_at: 0,
            members: Vec::new(),
            numbers: 0,
            waiting: Vec::new(),
            presence_calls: Vec::new(),
        }
    }

    /// The next message.
    pub(super) fn next(&mut self, tell: TabTell) -> Message {
        self.said += 1;
        Message::Tell { term: self.term.clone(), number: self.said, tell }
    }

    // ---- members ----

    pub(in crate::client) fn has_members(&self) -> bool {
        !self.members.is_empty()
    }

    /// The number of a tab that uses this stream.
    pub(in crate::client) fn number_of(&self, tab: &str) -> Option<u32> {
        self.members.iter().find(|member| member.name == tab).map(|member| member.number)
    }

    pub(in crate::client) fn name_of(&self, number: u32) -> Option<String> {
        self.members.iter().find(|member| member.number == number).map(|member| member.name.clone())
    }

    /// A tab asks for a stream. Its earlier requests are void.
    pub(in crate::client) fn wait(&mut self, waiting: Waiting) {
        self.waiting.retain(|one| one.name != waiting.name);
        self.waiting.push(waiting);
    }

    pub(in crate::client) fn is_waiting(&self, tab: &str) -> bool {
        self.waiting.iter().any(|one| one.name == tab)
    }

    pub(in crate::client) fn take_waiting(&mut self) -> Vec<Waiting> {
        std::mem::take(&mut self.waiting)
    }

    /// A tab is given a stream: returns its number, and the number of its earlier stream.
    pub(in crate::client) fn admit(&mut self, tab: &str) -> (u32, Option<u32>) {
        let before = self.take_member(tab);
        self.numbers += 1;
        self.members.push(Member { number: self.numbers, name: tab.to_owned() });
        (self.numbers, before)
    }

    /// A tab is gone: returns the number of its stream.
    pub(in crate::client) fn remove(&mut self, tab: &str) -> Option<u32> {
        self.waiting.retain(|one| one.name != tab);
        self.take_member(tab)
    }

    fn take_member(&mut self, tab: &str) -> Option<u32> {
        let index = self.members.iter().position(|member| member.name == tab)?;
        Some(self.members.remove(index).number)
    }

    pub(in crate::client) fn clear(&mut self) {
        self.members.clear();
        self.waiting.clear();
    }

    // ---- pending answers ----

    /// A member's call about presence waits for the answer to the leader's own.
    pub(in crate::client) fn await_presence(&mut self, member: u32, number: u32) {
        self.presence_calls.push((member, number));
    }

    pub(in crate::client) fn take_presence_calls(&mut self) -> Vec<(u32, u32)> {
        std::mem::take(&mut self.presence_calls)
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.has_members().then_some(self.beat_at)
    }

    /// Whether a sign of life is due.
    pub(in crate::client) fn beat(&mut self, now: u64, heartbeat_ms: u64) -> bool {
        let is_due = now >= self.beat_at;
        if is_due {
            self.beat_at = now.saturating_add(heartbeat_ms);
        }
        is_due
    }

    /// Whether the stream's cursor has to be sent now.
    pub(in crate::client) fn tells_cursor(&mut self, now: u64) -> bool {
        let is_due = now >= self.cursor_told_at.saturating_add(CURSOR_MS);
        if is_due {
            self.cursor_told_at = now;
        }
        is_due
    }
}
