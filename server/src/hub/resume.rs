//! Where a stream starts whose client says where it left off.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{Hub, patience::in_time};
use crate::{
    connection::Since,
    core::{Backfill, Start, Verdict},
    engine::{EngineError, Location},
};

/// What a client says of where it left off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resume {
    /// It is new.
    None,
    /// It said something that is no cursor.
    Malformed,
    /// It goes on from `cursor`; the highest position it has seen may be further on. Tabs that share a stream may have seen
    /// several, of which no two vouch for each other.
    From { cursor: Cursor, seen: Vec<Cursor> },
}

impl Hub {
    /// Judges clients' cursors, asking the engine once about all of which the window cannot tell.
    async fn check_cursors(&self, cursors: &[Cursor]) -> Result<Vec<Verdict>, EngineError> {
        let mut verdicts: Vec<_> = cursors.iter().map(|cursor| self.core().check_cursor(*cursor)).collect();
        let mut asked: Vec<_> = Vec::new();
        for (cursor, verdict) in cursors.iter().zip(&verdicts) {
            if *verdict == Verdict::AskEngine && !asked.contains(cursor) {
                asked.push(*cursor);
            }
        }
        if !asked.is_empty() {
            let locations = in_time(self.engine().locate(&asked)).await?;
            for (cursor, verdict) in cursors.iter().zip(&mut verdicts) {
                if let Some(index) =
                    asked.iter().position(|asked| asked == cursor).filter(|_| *verdict == Verdict::AskEngine)
                {
                    let location = locations.get(index).copied().unwrap_or(Location::Forgotten);
                    *verdict = self.core().check_by_engine(*cursor, location);
                }
            }
        }
        Ok(verdicts)
    }

    /// Where a stream starts that brings these cursors: the one to go on from, and what else was seen.
    pub(crate) async fn start(&self, resume: Resume) -> Result<Start, EngineError> {
        let (cursor, seen) = match resume {
            Resume::None => return Ok(Start::Head),
            Resume::Malformed => return Ok(Start::Gap(GapReason::Malformed)),
            Resume::From { cursor, seen } => (cursor, seen),
        };
        let lineage = self.core().lineage();
        let mut late = Vec::new();
        // What was seen counts only where it says more than the cursor: it is further on, or of another history.
        let seen = seen.into_iter().filter(|seen| seen.epoch != cursor.epoch || seen.seq >= cursor.seq);
        let cursors: Vec<_> = std::iter::once(cursor).chain(seen).collect();
        for (cursor, verdict) in cursors.iter().zip(self.check_cursors(&cursors).await?) {
            match verdict {
                Verdict::Late => late.push(*cursor),
                Verdict::Gap(reason) => return Ok(Start::Gap(reason)),
                Verdict::Good | Verdict::AskEngine => {}
            }
        }
        Ok(Start::Resume { cursor, late, lineage })
    }

    /// Whether and from where a subscribe call's `since` can be served.
    pub(crate) async fn backfill(&self, since: Option<Cursor>) -> Result<Backfill, EngineError> {
        let lineage = self.core().lineage();
        let since = match since {
            None => Since::Now,
            Some(cursor) => match self.check_cursors(&[cursor]).await?.first() {
                Some(Verdict::Gap(reason)) => Since::Gap(*reason),
                _ => Since::After(cursor),
            },
        };
        Ok(Backfill { since, lineage })
    }

    /// The past that cannot be brought, for this reason.
    pub(crate) fn no_backfill(&self, reason: GapReason) -> Backfill {
        Backfill { since: Since::Gap(reason), lineage: self.core().lineage() }
    }
}
