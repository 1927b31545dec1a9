//! The control frames of a stream. `NAME` is each frame's name in the SSE `event:` field.

#[cfg(feature = "serde")]
mod any;
mod presence;

#[cfg(feature = "serde")]
pub use any::{Frame, FrameError};
pub use presence::{Member, Presence};

use crate::{ConnectionId, Cursor, DeviceId, Pattern, RequestId, UserId};

/// Declares an enum of strings that are camelCase on the wire, the same in Rust and TypeScript. Each has a variant
/// `Other`, so that an older reader does not lose a whole frame because of a newer writer's value.
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$vdoc])* #[cfg_attr(feature = "serde", serde(rename = $text))] $variant,)*
            /// A value that this version does not know. It is only ever read, never written.
            #[cfg_attr(feature = "serde", serde(other, rename = "other"))]
            Other,
        }

        impl $name {
            /// All values that this version knows.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The value on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => "other",
                }
            }

            /// Parses a value; `None` where this version does not know it.
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
        /// The cursor could not be parsed.
        Malformed = "malformed",
        /// The cursor belongs to another log, which was replaced since.
        Epoch = "epoch",
        /// Records after the cursor have been trimmed.
        Trimmed = "trimmed",
        /// The cursor lies beyond the end of the log, or the log holds another record there: the log lost its tail.
        Diverged = "diverged",
        /// Records after the cursor are damaged.
        Damaged = "damaged",
    }
}

string_enum! {
    /// Why a channel was not accepted.
    RejectCode {
        /// No grant covers the channel.
        Forbidden = "forbidden",
        /// The connection already has as many channels as allowed.
        TooManyChannels = "tooManyChannels",
    }
}

string_enum! {
    /// Why the server ends a stream. It decides whether the client reconnects ([`Self::is_final`]).
    ClosingReason {
        /// The server shuts down, or the connection has reached its maximal age: reconnect, to whichever server
        /// answers.
        Drain = "drain",
        /// The credentials expired: reconnect with fresh ones.
        Expired = "expired",
        /// The credentials were revoked: reconnect with newer ones.
        Revoked = "revoked",
        /// A newer stream took its place: do not reconnect. Never sent to a stream whose client may be alive.
        Replaced = "replaced",
        /// The user has more connections than allowed: reconnect later.
        TooManyConnections = "tooManyConnections",
    }
}

impl ClosingReason {
    /// Whether the client must not reconnect by itself. A client does reconnect after a reason that this version does
    /// not know.
    #[must_use]
    pub fn is_final(self) -> bool {
        self == Self::Replaced
    }
}

/// The request id of a `subscribed` that answers no call, because the server itself subscribed the stream. No call may
/// use it.
pub const SERVER_REQUEST: &str = "server";

/// A channel that was rejected, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Rejected {
    /// The requested channel or pattern.
    pub channel: Pattern,
    /// The reason.
    pub code: RejectCode,
}

/// The first frame of every stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Connected {
    /// The stream's id in subscribe and unsubscribe calls.
    pub connection_id: ConnectionId,
    /// The stream's user; `null` when anonymous.
    pub user_id: Option<UserId>,
    /// The device that the client declared.
    pub device_id: Option<DeviceId>,
    /// The channels that are active from the start of the stream.
    pub channels: Vec<Pattern>,
    /// The requested channels that are not active.
    pub rejected: Vec<Rejected>,
    /// Whether the stream carries events addressed to its user or device, which every stream of a user does.
    pub addressed: bool,
    /// Whether the stream resumes at the client's cursor. If not, and the client sent a cursor, a `gap` follows.
    pub resumed: bool,
    /// The interval between heartbeats, in milliseconds.
    pub heartbeat_ms: u64,
    /// Seconds until the credentials expire, if they do.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub expires_in: Option<u64>,
    /// Where presence is on, the interval in milliseconds at which the client calls `POST /alive` to report that it
    /// still reads.
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

/// Confirms a subscribe call in the stream: the past that the call asked for has been sent, and all later frames of
/// these channels are live. Only this frame makes a subscription active.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Subscribed {
    /// The call that is confirmed.
    pub request_id: RequestId,
    /// The channels that are now active.
    pub channels: Vec<Pattern>,
    /// Whether the call also asked for addressed events, whose past has then been sent too.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub addressed: bool,
    /// The position from which on the channels are live.
    pub cursor: Cursor,
}

impl Subscribed {
    /// The SSE event name.
    pub const NAME: &'static str = "subscribed";
}

/// The SSE event name of a past record that a subscribe call asked for. It has no `id:`.
pub const BACKFILL: &str = "backfill";

/// The client may have missed events and must refetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Gap {
    /// The channels concerned; `null` means the whole stream, addressed events included.
    pub channels: Option<Vec<Pattern>>,
    /// With a list of channels, which may be empty: whether events addressed to this user or device are concerned, too.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub addressed: bool,
    /// With a list: the missed events lie at this cursor or before, so a handler that has received everything up to it
    /// has missed nothing. Without a `request_id` it is the position where the stream continues.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub cursor: Option<Cursor>,
    /// The reason.
    pub reason: GapReason,
    /// The subscribe call whose `since` cannot be served; only that call is concerned. Absent in a gap on the whole
    /// stream.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub request_id: Option<RequestId>,
}

impl Gap {
    /// The SSE event name.
    pub const NAME: &'static str = "gap";
}

/// The SSE event name of a heartbeat. Its data is `{}`, and its `id:` is the position up to which every matching event
/// was written.
pub const HEARTBEAT: &str = "heartbeat";

/// The SSE event name of a challenge. Its data is `{}`. A client that reads the stream answers with `POST /alive`.
pub const CHALLENGE: &str = "challenge";

/// Channels that the stream no longer receives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Revoked {
    /// The channels.
    pub channels: Vec<Pattern>,
    /// Whether the stream no longer carries events addressed to its user or device either.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_false"))]
    pub addressed: bool,
    /// The reason.
    pub code: RejectCode,
}

impl Revoked {
    /// The SSE event name.
    pub const NAME: &'static str = "revoked";
}

/// The last frame of the answer to a poll. Its `id:` is the position from which the next poll continues.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Polled {
    /// The channels that were polled.
    pub channels: Vec<Pattern>,
    /// The requested channels that were rejected.
    pub rejected: Vec<Rejected>,
    /// Whether addressed events were polled, too, which is so for every user.
    pub addressed: bool,
    /// After how many milliseconds to poll again.
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
    /// The reason.
    pub reason: ClosingReason,
    /// How long to wait before the next attempt, in milliseconds.
    pub retry_ms: u64,
}

impl Closing {
    /// The SSE event name.
    pub const NAME: &'static str = "closing";
}
