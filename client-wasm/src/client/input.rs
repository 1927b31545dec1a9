//! The frames and answers that a driver passes in: already parsed, with channels and cursors.
//!
//! Their types are looser than those of `tidings_protocol::frame`, because a client must work with its server's next
//! version: an unknown reason or code is a text to pass on, and not a frame to lose.

use tidings_protocol::Pattern;

use super::Cursors;

/// A control frame. (Records are passed to [`ClientCore::record`](super::ClientCore::record) and
/// [`ClientCore::backfill`](super::ClientCore::backfill), where speed matters.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of every stream.
    Connected(Connected),
    /// A subscribe call has become active.
    Subscribed {
        /// The call's `requestId`.
        request_id: String,
        /// The channels that are now active.
        channels: Vec<Pattern>,
        /// Whether the call asked for addressed events too.
        addressed: bool,
        /// The cursor from which the channels are live.
        cursor: Option<Cursors>,
    },
    /// Events may be missing.
    Gap {
        /// The channels; `None` means all of the stream.
        channels: Option<Vec<Pattern>>,
        /// With a list: whether addressed events may be missing as well.
        addressed: bool,
        /// With a list: the missing events are at this cursor or before it.
        cursor: Option<Cursors>,
        /// The reason.
        reason: String,
        /// The call that asked for the events of the past that may be missing, if one did.
        request_id: Option<String>,
        /// The frame's `id:`.
        id: Option<Cursors>,
    },
    /// All matching events up to here have been sent.
    Heartbeat {
        /// The frame's `id:`.
        id: Option<Cursors>,
    },
    /// The stream no longer carries these channels.
    Revoked {
        /// The channels.
        channels: Vec<Pattern>,
        /// Whether the stream no longer carries addressed events either.
        addressed: bool,
        /// The reason.
        code: String,
    },
    /// The stream does not report, or no longer reports, who is online on this channel, for this reason.
    PresenceRefused(Rejected),
    /// The server ends the stream.
    Closing {
        /// The reason.
        reason: String,
        /// When to reconnect.
        retry_ms: u64,
    },
    /// The server asks whether the stream is still read.
    Challenge,
    /// Any other frame, which shows that the stream is alive.
    Other,
}

/// The first frame of every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connected {
    /// The frame's `id:`.
    pub id: Option<Cursors>,
    /// The stream's id in calls.
    pub connection_id: String,
    /// The user of the stream.
    pub user_id: Option<String>,
    /// The channels that are active from the start.
    pub channels: Vec<Pattern>,
    /// The channels that were requested and refused.
    pub rejected: Vec<Rejected>,
    /// Whether the stream continues at the cursor that was sent. If not, a gap follows.
    pub resumed: bool,
    /// The interval between heartbeats; 0 keeps the current one.
    pub heartbeat_ms: u64,
    /// The time until the credentials expire, if they do.
    pub expires_in_ms: Option<u64>,
    /// How often the client has to report that the stream is still read; 0 if the server has no presence.
    pub alive_ms: u64,
    /// The server's time, in milliseconds since 1970; 0 without one.
    pub timestamp_ms: u64,
}

/// A channel that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The channel.
    pub channel: Pattern,
    /// The reason.
    pub code: String,
}

/// The tabs or devices from which a record is hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exclusion<'a> {
    /// The user whose streams are meant.
    pub user_id: &'a str,
    /// The tab from which the record is hidden.
    pub session_id: Option<&'a str>,
    /// The device from which the record is hidden, with all its tabs.
    pub device_id: Option<&'a str>,
}

/// The answer to a request of the core: from the server, or from the application for
/// [`Ask::Token`](super::Ask::Token).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; `None` if no answer came. For a token: 200; 304 if it is the same as before; 204 without one.
    pub status: Option<u16>,
    /// The value of the `Retry-After` header.
    pub retry_after_ms: Option<u64>,
    /// The `code` of a problem document; `tokenFailed`; or `cors`, when a probe arrived.
    pub code: Option<String>,
    /// The `detail` of a problem document.
    pub detail: Option<String>,
    /// In the answer to a subscribe call: the refused channels.
    pub rejected: Vec<Rejected>,
    /// A ticket, which opens one stream.
    pub ticket: Option<String>,
    /// In the answer to a refresh: the time until the credentials expire, if they do.
    pub expires_in_ms: Option<u64>,
    /// In the answer to a check: the user of the credentials; `None` for an anonymous one.
    pub user_id: Option<String>,
}

impl Answer {
    /// Whether the server has done what was requested. A page that answers in the server's place (a captive portal, a
    /// development server) has status 200 too, but also a code.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, Some(200..=299)) && self.code.is_none()
    }
}
