//! Where a stream starts, judged by the cursors that the client sends.

use tidings_protocol::{Cursor, frame::GapReason};

use super::{Hub, patience::in_time};
use crate::{
    connection::Since,
    core::{Backfill, Start, Verdict},
    engine::{EngineError, Location},
};

/// The position that a client sends when it opens a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resume {
    /// The client is new.
    None,
    /// The client sent something that is not a cursor.
    Malformed,
    /// The client continues from `cursor`. The highest position that it has seen may be further on; tabs that share a
    /// stream may have seen several positions, none of which implies another.
    From { cursor: Cursor, seen: Vec<Cursor> },
}

impl Hub {
    /// Judges clients' cursors. Asks the engine once about all cursors that the window cannot judge.
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

    /// Where a stream starts that brings these cursors: the cursor to continue from, and further positions that were
    /// seen.
    pub(crate) async fn start(&self, resume: Resume) -> Result<Start, EngineError> {
        let (cursor, seen) = match resume {
            Resume::None => return Ok(Start::Head),
            Resume::Malformed => return Ok(Start::Gap(GapReason::Malformed)),
            Resume::From { cursor, seen } => (cursor, seen),
        };
        let lineage = self.core().lineage();
        let mut late = Vec::new();
        // A seen position matters only if it says more than the cursor: it lies further on, or in another epoch.
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

    /// Whether a subscribe call's `since` can be served, and from where.
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

    /// A backfill that cannot be served, for this reason.
    pub(crate) fn no_backfill(&self, reason: GapReason) -> Backfill {
        Backfill { since: Since::Gap(reason), lineage: self.core().lineage() }
    }
}
