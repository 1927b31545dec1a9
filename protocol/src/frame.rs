//! The control frames of a stream. Each has the name that stands in the SSE `event:` field as its `NAME`.

#[cfg(feature = "serde")]
mod any;
mod presence;

#[cfg(feature = "serde")]
pub use any::{Frame, FrameError};
pub use presence::{Member, Presence};

use crate::{ConnectionId, Cursor, DeviceId, Pattern, RequestId, UserId};

/// Declares an enum of words that travel as camelCase strings, the same in Rust, on the wire and in TypeScript.
/// Each gets an `Other`, so that a newer writer's word does not make an older reader lose the whole frame.
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $variant,)*
            /// A word that this version does not know; only ever read, never written.
            #[cfg_attr(feature = "serde", serde(other, rename = "other"))]
            Other,
        }

        impl $name {
            /// All words that this version knows.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "other",
                }
            }

            /// Reads the word; `None` for one that this version does not know.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($text => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
#[cfg(feature = "serde")]
pub(crate) use string_enum;

#[cfg(feature = "serde")]
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn is_false(value: &bool) -> bool {
    !value
}

string_enum! {
    /// Why a stream may have missed events.
    GapReason {
        /// The cursor could not be read.
        Malformed = "malformed",
        /// The log is another one than the cursor's: it was made anew.
        Epoch = "epoch",
        /// The cursor lies behind what the log still holds.
        Trimmed = "trimmed",
        /// The cursor lies beyond the log's end, or names another record than the log holds there: the log lost its tail.
        Diverged = "diverged",
        /// Records that the log holds after the cursor cannot be read as they were written.
        Damaged = "damaged",
    }
}

string_enum! {
    /// Why a channel was not accepted.
    RejectCode {
        /// No grant covers it.
        Forbidden = "forbidden",
        /// The connection holds as many channels as it may.
        TooManyChannels = "tooManyChannels",
    }
}

string_enum! {
    /// Why the server ends a stream, and so whether its client comes back ([`Self::is_final`]).
    ClosingReason {
        /// The server shuts down, or the connection has had its time: come back, to whoever answers there.
        Drain = "drain",
        /// The credentials expired: come back with fresh ones.
        Expired = "expired",
        /// The credentials were revoked: come back with newer ones.
        Revoked = "revoked",
        /// A newer stream took its place: do not come back. Never sent to a stream whose client may be alive.
        Replaced = "replaced",
        /// The user holds more connections than allowed: come back later.
        TooManyConnections = "tooManyConnections",
    }
}

impl ClosingReason {
    /// Whether a client is not to come back by itself. For a reason that this version does not know it is.
    #[must_use]
    pub fn is_final(self) -> bool {
        self == Self::Replaced
    }
}

/// The request id of a `subscribed` that answers no call: the server itself wished it. No call may use it.
pub const SERVER_REQUEST: &str = "server";

/// One channel that was not accepted, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Rejected {
    /// The channel or pattern that was asked for.
    pub channel: Pattern,
    /// Why it was not accepted.
    pub code: RejectCode,
}

/// The first frame of every stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Connected {
    /// The stream's name in subscribe and unsubscribe calls.
    pub connection_id: ConnectionId,
    /// Who the stream belongs to; `null` when anonymous.
    pub user_id: Option<UserId>,
    /// The device that the client declared.
    pub device_id: Option<DeviceId>,
    /// The channels that are active from this stream's first position on.
    pub channels: Vec<Pattern>,
    /// The channels asked for that are not.
    pub rejected: Vec<Rejected>,
    /// Whether the stream carries what is addressed to its user or device: where it has a user.
    pub addressed: bool,
    /// Whether the stream goes on where the client's cursor stands. If not, and a cursor was given, a `gap` follows.
    pub resumed: bool,
    /// The interval between heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Seconds until the credentials expire, where they do.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub expires_in: Option<u64>,
    /// Where presence is on: how often the client says by `POST /alive` that it is still there, in milliseconds.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub alive_ms: Option<u64>,
    /// The server's time, RFC 3339.
    #[cfg(feature = "serde")]
    pub timestamp: crate::event::Timestamp,
}

impl Connected {
    /// The SSE event name.
    pub const NAME: &'static str = "connected";
}

/// Confirms a subscribe call, in the stream: what the call asked of the past has been sent, all later frames of these
/// channels are live. Only this makes a subscription active.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Subscribed {
    /// The call that it answers.
    pub request_id: RequestId,
    /// The channels that are now active.
    pub channels: Vec<Pattern>,
    /// Whether the call asked for addressed events too: all of the past that it asked for has been sent.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub addressed: bool,
    /// From here on they are live.
    pub cursor: Cursor,
}

impl Subscribed {
    /// The SSE event name.
    pub const NAME: &'static str = "subscribed";
}

/// The SSE event name of a record sent for the past that a subscribe call asked for. It has no `id:`.
pub const BACKFILL: &str = "backfill";

/// "You may have missed events: refetch."
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Gap {
    /// On which channels; `null` on all of the stream, addressed events included.
    pub channels: Option<Vec<Pattern>>,
    /// Beside a list of channels, which may be empty: among the events addressed to this user or device as well.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub addressed: bool,
    /// Beside a list: what may be missing stands at this cursor or before, so that who has had that much has missed nothing. Without a
    /// `request_id` it is where the stream goes on.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub cursor: Option<Cursor>,
    /// Why.
    pub reason: GapReason,
    /// The call whose `since` cannot be honoured: nobody else has missed anything. None on all of the stream.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub request_id: Option<RequestId>,
}

impl Gap {
    /// The SSE event name.
    pub const NAME: &'static str = "gap";
}

/// The SSE event name of a heartbeat: data `{}`, and as `id:` the position up to which all that matches was written.
pub const HEARTBEAT: &str = "heartbeat";

/// The SSE event name of a challenge: data `{}`. Who reads the stream answers by `POST /alive`.
pub const CHALLENGE: &str = "challenge";

/// Channels that the stream no longer hears.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Revoked {
    /// Which.
    pub channels: Vec<Pattern>,
    /// Whether the stream no longer carries what is addressed to its user or device either.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub addressed: bool,
    /// Why.
    pub code: RejectCode,
}

impl Revoked {
    /// The SSE event name.
    pub const NAME: &'static str = "revoked";
}

/// The last frame of the answer to a poll. Its `id:` is where the next poll goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Polled {
    /// The channels that were polled.
    pub channels: Vec<Pattern>,
    /// The channels asked for that were not.
    pub rejected: Vec<Rejected>,
    /// Whether addressed events were: where there is a user.
    pub addressed: bool,
    /// When to poll again, in milliseconds.
    pub retry_ms: u64,
    /// The server's time, RFC 3339.
    #[cfg(feature = "serde")]
    pub timestamp: crate::event::Timestamp,
}

impl Polled {
    /// The SSE event name.
    pub const NAME: &'static str = "polled";
}

/// The server ends this stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Closing {
    /// Why.
    pub reason: ClosingReason,
    /// How long to wait before the next attempt, in milliseconds.
    pub retry_ms: u64,
}

impl Closing {
    /// The SSE event name.
    pub const NAME: &'static str = "closing";
}
