//! The tab at the other end of a stream.

/// A leader that was asked and has said nothing for so long is one no more.
pub(in crate::session) const ANSWER_MS: u64 = 2_000;
/// Whoever is not welcomed asks again after this long.
pub(in crate::session) const JOIN_MS: u64 = 1_000;

/// What a message is to a tab that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Heard {
    /// The next of its leader.
    Next,
    /// Its leader's, and something before it is missing.
    Hole,
    /// Another's.
    Foreign,
}

/// The tab that leads, as one that follows knows it.
#[derive(Debug)]
pub(in crate::session) struct Leader {
    term: String,
    /// What it calls this tab.
    member: u32,
    /// How much it has said in its term.
    said: u32,
    /// It was asked at this time whether it is there, and has said nothing since.
    asked_at: Option<u64>,
}

impl Leader {
    pub(in crate::session) fn new(term: String, member: u32, said: u32) -> Self {
        Self { term, member, said, asked_at: None }
    }

    /// What it calls this tab.
    pub(in crate::session) fn member(&self) -> u32 {
        self.member
    }

    /// Something was said in this term, with this number.
    pub(in crate::session) fn hear(&mut self, term: &str, number: u32) -> Heard {
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

    /// It is asked whether it is there.
    pub(in crate::session) fn ask(&mut self, now: u64) {
        self.asked_at.get_or_insert(now);
    }

    /// It may have answered while this tab stood still.
    pub(in crate::session) fn forget_question(&mut self) {
        self.asked_at = None;
    }

    pub(super) fn answer_by(&self) -> Option<u64> {
        self.asked_at.map(|asked_at| asked_at.saturating_add(ANSWER_MS))
    }
}
