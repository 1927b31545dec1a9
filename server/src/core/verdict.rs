//! What can be said of a client's cursor, or of this node's own head.

use tidings_protocol::{Cursor, frame::GapReason};

use super::Core;
use crate::engine::Bounds;

/// What can be said of a client's cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The log holds it, or ends or begins right there.
    Good,
    /// It lies beyond this node but within the log.
    Late,
    /// It cannot be served.
    Gap(GapReason),
    /// The window cannot tell: ask the engine for its bounds and the tag at that number.
    AskEngine,
}

impl Core {
    /// Whether this node's head still is in the engine's log; if not, why, and the caller resets.
    pub(crate) fn reattach(&self, bounds: &Bounds, tag_at_head: Option<u32>) -> Result<(), GapReason> {
        judge_by(self.head(), bounds, tag_at_head)
    }

    /// What the window can say of a client's cursor.
    pub(crate) fn judge(&self, cursor: Cursor) -> Verdict {
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
    pub(crate) fn judge_by_engine(&self, cursor: Cursor, bounds: &Bounds, tag: Option<u32>) -> Verdict {
        let beyond = cursor.epoch == bounds.epoch && cursor.seq > self.head().seq && cursor.seq <= bounds.last;
        match judge_by(cursor, bounds, tag) {
            // Not checked now but when this node has the record: what it will deliver counts.
            _ if beyond => Verdict::Late,
            Ok(()) => Verdict::Good,
            Err(reason) => Verdict::Gap(reason),
        }
    }
}

/// Whether the log of these bounds holds the cursor, whose record there has this tag.
fn judge_by(cursor: Cursor, bounds: &Bounds, tag: Option<u32>) -> Result<(), GapReason> {
    if cursor.epoch != bounds.epoch {
        return Err(GapReason::Epoch);
    }
    if cursor.seq > bounds.last {
        return Err(GapReason::Diverged);
    }
    if cursor.seq + 1 < bounds.first {
        return Err(GapReason::Trimmed);
    }
    let tag = if cursor.seq + 1 == bounds.first { Some(bounds.base_tag) } else { tag };
    match tag {
        Some(tag) if tag == cursor.tag => Ok(()),
        Some(_) => Err(GapReason::Diverged),
        // It was trimmed between the two questions.
        None => Err(GapReason::Trimmed),
    }
}
