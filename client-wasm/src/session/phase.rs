//! Where a connection stands: from nobody having asked for it to a stream that is open.

use tidings_protocol::Pattern;

use super::{
    Cursors, State, Status,
    calls::Calls,
    credentials::{Refresh, Step},
    follower::Leader,
    presence::Watch,
};

/// The interval between heartbeats until a server says its own (its default).
pub(super) const HEARTBEAT_MS: u64 = 15_000;
/// Where the connection stands, and what belongs to that.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a session has one, and moves it seldom")]
pub(super) enum Phase {
    /// Nobody asked for it.
    Idle,
    /// It is not known yet whether another tab has a stream. After this time this one goes without the others.
    Asking { until: u64 },
    /// Another tab has one; the server is asked whether the user is the same.
    Verifying { request: u32, until: u64 },
    /// The tab that leads is asked for a stream since the first time; asked again at the second.
    Joining { since: u64, until: u64, status: Status },
    /// Ended, or given up.
    Closed,
    /// Asked for; opened at the end of the microtask, with all that is subscribed until then.
    Starting,
    /// Asked for; the credentials for it are not there yet.
    Authorising { request: u32, until: u64, step: Step },
    /// Opened; nothing heard of it.
    Connecting(Attempt),
    /// `connected` came, of the server or of the tab that leads.
    Open(Stream),
    /// It failed, and the server is asked why; at last, whether it is there at all.
    Diagnosing { request: u32, until: u64, probes: bool },
    /// The next attempt comes at this time; a firm one is not brought forward by `online` or a tab that is shown.
    Waiting { since: u64, until: u64, firm: bool },
    /// The page is in the browser's back/forward cache.
    Suspended,
}

/// A stream that has not answered.
#[derive(Debug)]
pub(super) struct Attempt {
    /// It fails at this time.
    pub(super) until: u64,
    /// The channels in its URL.
    pub(super) asked: Vec<Pattern>,
    /// The cursor in its URL.
    pub(super) cursor: Option<Cursors>,
}

/// What is at the other end of a stream.
#[derive(Debug)]
pub(super) enum Source {
    /// The server.
    Server,
    /// The tab that leads, which has the server's.
    Leader(Leader),
}

/// A stream that has answered.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) source: Source,
    pub(super) connection_id: String,
    /// Not resumed although a cursor was sent: a `gap` follows. Until it has come, the old cursor stays, or a cut between
    /// the two would turn the gap into silence; and nothing is asked for from it, or the gap would be told twice.
    pub(super) awaits_gap: bool,
    pub(super) calls: Calls,
    pub(super) refresh: Refresh,
    pub(super) watch: Watch,
    pub(super) opened_at: u64,
    pub(super) heard_at: u64,
    /// The watchdog looks at this time. It does not move with every message.
    pub(super) watch_at: u64,
    /// It looked, late, and let one more interval pass.
    pub(super) grace_used: bool,
    /// Something must have been heard after this time, when the watchdog looks.
    pub(super) probing_since: Option<u64>,
}

impl Stream {
    pub(super) fn new(now: u64, source: Source, connection_id: String, heartbeat_ms: u64, alive_ms: u64) -> Self {
        Self {
            source,
            connection_id,
            awaits_gap: false,
            calls: Calls::default(),
            refresh: Refresh::default(),
            watch: Watch::new(now, alive_ms),
            opened_at: now,
            heard_at: now,
            watch_at: now.saturating_add(silence_limit(heartbeat_ms)),
            grace_used: false,
            probing_since: None,
        }
    }
}

/// Silence for this long means that nothing will come.
pub(super) fn silence_limit(heartbeat_ms: u64) -> u64 {
    heartbeat_ms.saturating_add(heartbeat_ms).saturating_add(heartbeat_ms / 2)
}

impl Phase {
    pub(super) fn state(&self) -> State {
        match self {
            Self::Idle => State::Idle,
            Self::Closed => State::Closed,
            Self::Starting
            | Self::Asking { .. }
            | Self::Verifying { .. }
            | Self::Authorising { .. }
            | Self::Connecting(_) => State::Connecting,
            Self::Joining { status, .. } | Self::Open(Stream { source: Source::Leader(Leader { status, .. }), .. }) => {
                status.state
            }
            Self::Open(_) => State::Open,
            Self::Diagnosing { .. } | Self::Waiting { .. } | Self::Suspended => State::Waiting,
        }
    }

    /// Whether there is a stream of the server's, which has to be closed.
    pub(super) fn has_stream(&self) -> bool {
        matches!(self, Self::Connecting(_) | Self::Open(Stream { source: Source::Server, .. }))
    }

    /// Whether the other end of the stream is a tab.
    pub(super) fn is_led(&self) -> bool {
        matches!(self, Self::Open(Stream { source: Source::Leader(_), .. }))
    }
}
