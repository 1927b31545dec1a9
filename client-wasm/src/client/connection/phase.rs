//! The phases of a connection, from idle to an open stream.

use super::{State, silence_limit};

/// How long a call may go without an answer before it is given up; also one for a token or a ticket.
pub(in crate::client) const CALL_MS: u64 = 30_000;
/// How long the diagnosis of a failed connection may take.
pub(in crate::client) const DIAGNOSIS_MS: u64 = 10_000;
/// How long the browser may take to report who has the lock; then the tab continues without the others.
pub(in crate::client) const LOCK_MS: u64 = 5_000;

/// The phase of the connection, and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client) enum Phase {
    /// Nothing has asked for a connection.
    Idle,
    /// It is unknown whether another tab has a stream. After this time, this tab continues without the others.
    Asking { until: u64 },
    /// Another tab has a stream; the server has been asked whether the user is the same.
    Verifying { request: u32, until: u64 },
    /// The leading tab has been asked for a stream since the first time, and is asked again at the second.
    Joining { since: u64, until: u64 },
    /// Ended, or the client has given up.
    Closed,
    /// A connection was requested; it is opened at the end of the microtask, with all channels that are subscribed
    /// until then.
    Starting,
    /// A connection was requested; its credentials have not arrived yet.
    Authorising { request: u32, until: u64 },
    /// The stream was opened, and has sent nothing yet. It fails at this time.
    Connecting { until: u64 },
    /// `connected` arrived, from the server or from the leading tab.
    Open { led: bool },
    /// The stream failed, and the server has been asked why; at last, whether it can be reached at all.
    Diagnosing { request: u32, until: u64, probes: bool },
    /// The next attempt comes at this time; a firm time is not brought forward by `online` or a tab that is shown.
    Waiting { since: u64, until: u64, firm: bool },
    /// The page is in the browser's back/forward cache.
    Suspended,
}

impl Phase {
    /// The state, for a tab that does not use another tab's stream.
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

    /// Whether a stream of the server exists, which has to be closed.
    pub(in crate::client) fn has_stream(self) -> bool {
        matches!(self, Self::Connecting { .. } | Self::Open { led: false })
    }

    /// When the phase ends by itself.
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

    /// Since when an answer is awaited whose request is restarted in case of doubt.
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
