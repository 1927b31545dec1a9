//! What the stream says, as a driver hands it in: already taken out of JSON, with channels and cursors parsed.
//!
//! They are looser than the types of `tidings_protocol::frame`, because a client must outlive its server's next version:
//! a reason or a code that it does not know is still a text to pass on, not a frame to lose.

use tidings_protocol::Pattern;

use super::Cursors;

/// A control frame. (Records come by [`Session::record`](super::Session::record) and
/// [`Session::backfill`](super::Session::backfill), where speed counts.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first frame of every stream.
    Connected(Connected),
    /// A subscribe call has become active.
    Subscribed {
        /// Which.
        request_id: String,
        /// What is now active.
        channels: Vec<Pattern>,
        /// Whether it was asked for addressed events too.
        addressed: bool,
        /// From here on it is live.
        cursor: Option<Cursors>,
    },
    /// Events may be missing.
    Gap {
        /// On which channels; `None` on all of the stream.
        channels: Option<Vec<Pattern>>,
        /// Beside a list: among addressed events as well.
        addressed: bool,
        /// Beside a list: what may be missing stands here or before.
        cursor: Option<Cursors>,
        /// Why.
        reason: String,
        /// The call whose past it is about, if it is about one.
        request_id: Option<String>,
        /// The frame's `id:`.
        id: Option<Cursors>,
    },
    /// All that matches has been written up to here.
    Heartbeat {
        /// The frame's `id:`.
        id: Option<Cursors>,
    },
    /// The stream no longer hears these channels.
    Revoked {
        /// Which.
        channels: Vec<Pattern>,
        /// Whether it no longer carries addressed events either.
        addressed: bool,
        /// Why.
        code: String,
    },
    /// The stream no longer tells who is online on this channel, for this reason.
    PresenceRefused(Rejected),
    /// The server ends the stream.
    Closing {
        /// Why.
        reason: String,
        /// When to come back.
        retry_ms: u64,
    },
    /// The server asks whether somebody reads the stream.
    Challenge,
    /// Any other frame: a sign of life.
    Other,
}

/// The first frame of every stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Connected {
    /// The frame's `id:`.
    pub id: Option<Cursors>,
    /// The stream's name in calls.
    pub connection_id: String,
    /// Whose it is.
    pub user_id: Option<String>,
    /// What is active from the start.
    pub channels: Vec<Pattern>,
    /// What was asked for and is not.
    pub rejected: Vec<Rejected>,
    /// Whether the stream goes on from the cursor that was sent. If not, a gap follows.
    pub resumed: bool,
    /// The interval between heartbeats; 0 leaves it as it was.
    pub heartbeat_ms: u64,
    /// The time until the credentials expire, where they do.
    pub expires_in_ms: Option<u64>,
    /// How often to say that somebody reads the stream; 0 where the server has no presence.
    pub alive_ms: u64,
    /// The server's time, in milliseconds since 1970; 0 where it does not say.
    pub timestamp_ms: u64,
}

/// A channel that the server refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which.
    pub channel: Pattern,
    /// Why.
    pub code: String,
}

/// From whom a record is hidden.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Exclusion<'a> {
    /// The user whose streams are meant.
    pub user_id: &'a str,
    /// Hidden from this tab.
    pub session_id: Option<&'a str>,
    /// Hidden from every tab of this device.
    pub device_id: Option<&'a str>,
}

/// The answer to a request of the session's: the server's, or the application's to [`Ask::Token`](super::Ask::Token).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status; `None` if no answer came. Of a token: 200; 304 if it is the one before; 204 if there is none.
    pub status: Option<u16>,
    /// From the `Retry-After` header.
    pub retry_after_ms: Option<u64>,
    /// The `code` of a problem document; `tokenFailed`; or `cors`, when a probe arrived.
    pub code: Option<String>,
    /// The `detail` of a problem document.
    pub detail: Option<String>,
    /// In the answer to a subscribe call: what was refused.
    pub rejected: Vec<Rejected>,
    /// What opens a stream, once.
    pub ticket: Option<String>,
    /// In the answer to a refresh: the time until the credentials expire, where they do.
    pub expires_in_ms: Option<u64>,
    /// In the answer to a check: whose credentials they are; `None` for an anonymous user's.
    pub user_id: Option<String>,
}

impl Answer {
    /// The server has done what it was asked. What answers in its place with a page of its own (a captive portal, a development server)
    /// says 200 too, and has a code.
    pub(super) fn is_success(&self) -> bool {
        matches!(self.status, Some(200..=299)) && self.code.is_none()
    }
}
