//! The tab at the other end of a stream.

/// How long a leader that was asked may be silent before it is considered gone.
pub(in crate::client) const ANSWER_MS: u64 = 2_000;
/// How long a tab waits for a welcome before it asks again.
pub(in crate::client) const JOIN_MS: u64 = 1_000;

/// The kind of a message for a tab that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum Heard {
    /// The next message of its leader.
    Next,
    /// A message of its leader, with an earlier one missing.
    Hole,
    /// A message of another leader.
    Foreign,
}

/// The leading tab, as a follower knows it.
#[derive(Debug)]
pub(in crate::client) struct Leader {
    term: String,
    /// The leader's number for this tab.
    member: u32,
    /// The number of messages in its term.
    said: u32,
    /// When it was asked whether it is there; it has been silent since.
    asked_at: Option<u64>,
}

impl Leader {
    pub(in crate::client) fn new(term: String, member: u32, said: u32) -> Self {
        Self { term, member, said, asked_at: None }
    }

    /// The leader's number for this tab.
    pub(in crate::client) fn member(&self) -> u32 {
        self.member
    }

    /// A message arrived in this term, with this number.
    pub(in crate::client) fn hear(&mut self, term: &str, number: u32) -> Heard {
        if self.term != term {
            return Heard::Foreign;
        }
        if number != self.said + 1 {
            return Heard::Hole;
        }
        self.said = number;
        self.asked_at = None;
        Heard::Next
    }

    /// The leader is asked whether it is there.
    pub(in crate::client) fn ask(&mut self, now: u64) {
        self.asked_at.get_or_insert(now);
    }

    /// The leader may have answered while this tab was frozen.
    pub(in crate::client) fn forget_question(&mut self) {
        self.asked_at = None;
    }

    pub(super) fn answer_by(&self) -> Option<u64> {
        self.asked_at.map(|asked_at| asked_at.saturating_add(ANSWER_MS))
    }
}
