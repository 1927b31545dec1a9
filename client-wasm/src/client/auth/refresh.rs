//! The refresh of the credentials of an open stream.

use super::super::{Ask, connection::CALL_MS};

/// The step that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum Due {
    Nothing,
    /// The application has to be asked for a token.
    Begin,
    /// The request that is under way is given up.
    GiveUp(Ask),
}

/// The refresh of one stream.
#[derive(Debug, Default)]
pub(in crate::client) struct Refresh {
    /// When the current credentials expire.
    expires_at: Option<u64>,
    /// When the next step is due: to begin, or to give up the request under way.
    due: Option<u64>,
    /// The request that is under way.
    asked: Option<(Ask, u32)>,
}

impl Refresh {
    /// Notes when the stream's credentials expire, if they do. Cookies are renewed by their issuer.
    pub(in crate::client) fn expires_in(&mut self, now: u64, ms: Option<u64>) {
        *self = Self { expires_at: ms.map(|ms| now.saturating_add(ms)), ..Self::default() };
    }

    /// Plans the next refresh, `least` milliseconds from now at the soonest: in the last fifth of the remaining time,
    /// at most a minute before its end, spread by 32 random bits so that clients that connected together do not refresh
    /// together. In the last second it is too late: the stream ends, and the next one continues at its position.
    pub(in crate::client) fn plan(&mut self, now: u64, least: u64, spread: u64) {
        self.asked = None;
        self.due = self.expires_at.and_then(|expires_at| {
            let left = expires_at.saturating_sub(now);
            let lead = (left / 5).min(60_000);
            let wait = (left - lead + ((lead / 2 * spread) >> 32)).max(least);
            (left >= 1_000 && wait < left).then(|| now.saturating_add(wait))
        });
    }

    /// Notes that this request is under way.
    pub(in crate::client) fn asks(&mut self, now: u64, ask: Ask, number: u32) {
        self.asked = Some((ask, number));
        self.due = Some(now.saturating_add(CALL_MS));
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.due
    }

    /// The step that is due by this time.
    pub(in crate::client) fn wake(&self, now: u64) -> Due {
        match self.asked {
            _ if self.due.is_none_or(|due| now < due) => Due::Nothing,
            Some((ask, _)) => Due::GiveUp(ask),
            None => Due::Begin,
        }
    }

    /// The receiver of this request, if it belongs to the refresh.
    pub(in crate::client) fn asked(&self, number: u32) -> Option<Ask> {
        self.asked.filter(|(_, asked)| *asked == number).map(|(ask, _)| ask)
    }
}
