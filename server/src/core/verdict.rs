//! The judgement of a client's cursor.

use tidings_protocol::{Cursor, frame::GapReason};

use super::Core;
use crate::engine::Location;

/// The judgement of a client's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The stream can resume from it: the log holds the record, or ends or begins right there, or can tell what has
    /// left since.
    Good,
    /// It lies beyond this node's head but within the log.
    Late,
    /// The log cannot serve it.
    Gap(GapReason),
    /// The window cannot tell; ask the engine.
    AskEngine,
}

impl Core {
    /// Judges a client's cursor by the window.
    pub(crate) fn check_cursor(&self, cursor: Cursor) -> Verdict {
        let window = self.window.read();
        if cursor.epoch != window.epoch() {
            return Verdict::Gap(GapReason::Epoch);
        }
        match window.tag(cursor.seq) {
            Some(tag) if tag == cursor.tag => Verdict::Good,
            Some(_) => Verdict::Gap(GapReason::Diverged),
            None => Verdict::AskEngine,
        }
    }

    /// Judges a client's cursor by the engine's answer.
    pub(crate) fn check_by_engine(&self, cursor: Cursor, location: Location) -> Verdict {
        match location {
            // The tag is checked again when this node has applied the record, because the stream will deliver what this
            // node applied.
            Location::Held if cursor.seq > self.head().seq => Verdict::Late,
            Location::Held | Location::Trimmed => Verdict::Good,
            Location::Forgotten => Verdict::Gap(GapReason::Trimmed),
            Location::Diverged => Verdict::Gap(GapReason::Diverged),
            Location::Epoch => Verdict::Gap(GapReason::Epoch),
        }
    }
}
