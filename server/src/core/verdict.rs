//! What can be said of a client's cursor.

use tidings_protocol::{Cursor, frame::GapReason};

use super::Core;
use crate::engine::Location;

/// What can be said of a client's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The log holds it, or ends or begins right there; or what has left since can be told.
    Good,
    /// It lies beyond this node but within the log.
    Late,
    /// It cannot be served.
    Gap(GapReason),
    /// The window cannot tell: ask the engine.
    AskEngine,
}

impl Core {
    /// What the window can say of a client's cursor.
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

    /// What the engine's answer says of a client's cursor.
    pub(crate) fn check_by_engine(&self, cursor: Cursor, location: Location) -> Verdict {
        match location {
            // Its tag is checked again when this node has the record: what it will deliver counts.
            Location::Held if cursor.seq > self.head().seq => Verdict::Late,
            Location::Held | Location::Trimmed => Verdict::Good,
            Location::Forgotten => Verdict::Gap(GapReason::Trimmed),
            Location::Diverged => Verdict::Gap(GapReason::Diverged),
            Location::Epoch => Verdict::Gap(GapReason::Epoch),
        }
    }
}
