//! Where a connection stands: from nobody having asked for it to a stream that is open.

use super::{State, silence_limit};

/// A call without an answer is given up after this long, one for a token or a ticket too.
pub(in crate::session) const CALL_MS: u64 = 30_000;
/// The diagnosis of a failed connection may take this long.
pub(in crate::session) const DIAGNOSIS_MS: u64 = 10_000;
/// A browser that has not said by then who has the lock will not: the tab goes without the others.
pub(in crate::session) const LOCK_MS: u64 = 5_000;

/// Where the connection stands, and how long that may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Phase {
    /// Nobody asked for it.
    Idle,
    /// It is not known yet whether another tab has a stream. After this time this one goes without the others.
    Asking { until: u64 },
    /// Another tab has one; the server is asked whether the user is the same.
    Verifying { request: u32, until: u64 },
    /// The tab that leads is asked for a stream since the first time; asked again at the second.
    Joining { since: u64, until: u64 },
    /// Ended, or given up.
    Closed,
    /// Asked for; opened at the end of the microtask, with all that is subscribed until then.
    Starting,
    /// Asked for; the credentials for it are not there yet.
    Authorising { request: u32, until: u64 },
    /// Opened; nothing heard of it. It fails at this time.
    Connecting { until: u64 },
    /// `connected` came, of the server or of the tab that leads.
    Open { led: bool },
    /// It failed, and the server is asked why; at last, whether it is there at all.
    Diagnosing { request: u32, until: u64, probes: bool },
    /// The next attempt comes at this time; a firm one is not brought forward by `online` or a tab that is shown.
    Waiting { since: u64, until: u64, firm: bool },
    /// The page is in the browser's back/forward cache.
    Suspended,
}

impl Phase {
    /// For a tab that has nothing of another's.
    pub(super) fn state(self) -> State {
        match self {
            Self::Idle => State::Idle,
            Self::Closed => State::Closed,
            Self::Starting
            | Self::Asking { .. }
            | Self::Verifying { .. }
            | Self::Joining { .. }
            | Self::Authorising { .. }
            | Self::Connecting { .. } => State::Connecting,
            Self::Open { .. } => State::Open,
            Self::Diagnosing { .. } | Self::Waiting { .. } | Self::Suspended => State::Waiting,
        }
    }

    /// Whether there is a stream of the server's, which has to be closed.
    pub(in crate::session) fn has_stream(self) -> bool {
        matches!(self, Self::Connecting { .. } | Self::Open { led: false })
    }

    /// When something has to happen by itself.
    pub(super) fn until(self) -> Option<u64> {
        match self {
            Self::Asking { until }
            | Self::Verifying { until, .. }
            | Self::Joining { until, .. }
            | Self::Authorising { until, .. }
            | Self::Connecting { until }
            | Self::Diagnosing { until, .. }
            | Self::Waiting { until, .. } => Some(until),
            Self::Idle | Self::Closed | Self::Starting | Self::Open { .. } | Self::Suspended => None,
        }
    }

    /// Since when something is awaited that is begun anew where there is doubt.
    pub(super) fn awaited_since(self, heartbeat_ms: u64) -> Option<u64> {
        let (until, span) = match self {
            Self::Asking { until } => (until, LOCK_MS),
            Self::Verifying { until, .. } | Self::Diagnosing { until, .. } => (until, DIAGNOSIS_MS),
            Self::Authorising { until, .. } => (until, CALL_MS),
            Self::Connecting { until } => (until, silence_limit(heartbeat_ms)),
            _ => return None,
        };
        Some(until.saturating_sub(span))
    }
}
