//! The messages between the tabs of one browser. A tab that follows uses the protocol towards the leading one, as
//! towards a server: it opens a stream, makes calls, and receives frames.

use tidings_protocol::Pattern;

use super::super::{Cursors, Failure, Frame, Rejected, Status};

/// The version of these messages. It is part of the group's name: during a deploy, pages of the old and the new version
/// of the app are open side by side, and those that would misunderstand each other have separate streams. Raise it with
/// every change.
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "groups are named in a browser"))]
pub(crate) const VERSION: u32 = 7;

/// One message. Every tab of the group receives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it is serialised at once")]
pub enum Message {
    /// A message of a tab that follows to the leading one.
    Ask {
        /// The name of the tab.
        tab: String,
        /// The request.
        ask: TabAsk,
    },
    /// A message of the leading tab to those that follow.
    Tell {
        /// The name of its term as leader.
        term: String,
        /// The number of messages in this term, this one included: a tab that misses one learns that from the next.
        number: u32,
        /// The content.
        tell: TabTell,
    },
}

/// A request of a tab to the leading one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TabAsk {
    /// A stream, for the user that the server reported.
    Open {
        /// The number of the attempt. Only the answer to the last one counts, because it knows the events received
        /// until then.
        attempt: u32,
        /// The user, as the tabs compare users.
        user: String,
        /// The channels that the tab will request. Those that its earlier stream carried continue.
        channels: Vec<Pattern>,
    },
    /// A call, as to the server.
    Call {
        /// Its `requestId`.
        number: u32,
        /// The call.
        call: Call,
    },
    /// The labels for which the tab has handlers. All addressed events reach the tab; the list tells the leader which
    /// events have no handler.
    Labels {
        /// All labels.
        labels: Vec<Pattern>,
    },
    /// A demand for a sign of life, of the stream as well.
    Probe {
        /// Whether to connect as the application's `connect()` does.
        connect: bool,
    },
}

/// A call on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Carry these channels, from the cursor on.
    Subscribe {
        /// The channels.
        channels: Vec<Pattern>,
        /// Whether to send the addressed events after the cursor, too.
        addressed: bool,
        /// The cursor; `None`: from now on.
        since: Option<Cursors>,
    },
    /// Carry these channels no longer.
    Unsubscribe {
        /// The channels.
        channels: Vec<Pattern>,
    },
    /// Report who is online on exactly these channels.
    Presence {
        /// The channels.
        channels: Vec<Pattern>,
    },
    /// The stream is still read.
    Alive,
}

/// A message of the leading tab.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it is serialised at once")]
pub enum TabTell {
    /// A tab without a stream of this leader has to ask for one: the named tab, or all.
    Lead {
        /// The tab.
        tab: Option<String>,
    },
    /// The stream's user has changed: each tab asks the server for its own user.
    UserChanged,
    /// The stream belongs to another user than that tab's.
    OtherUser {
        /// The tab.
        tab: String,
    },
    /// The tab has asked for a stream, and has to wait for it.
    Wait {
        /// The tab.
        tab: String,
        /// The state of the connection.
        status: Status,
    },
    /// The tab has a stream.
    Welcome {
        /// The tab.
        tab: String,
        /// The attempt that this answers.
        attempt: u32,
        /// The number of the tab from here on.
        member: u32,
        /// The state of the connection.
        status: Status,
        /// The first frame of the stream: [`Frame::Connected`].
        frame: Frame,
    },
    /// A frame, of this tab's stream or of all streams.
    Frame {
        /// The member; `None`: all.
        member: Option<u32>,
        /// The frame.
        frame: Frame,
    },
    /// An event or a presence frame for these members, and the stream's cursor. The frame itself is sent with it.
    Event {
        /// The event's `id:`.
        id: Option<Cursors>,
        /// The tabs that receive it.
        members: Vec<u32>,
    },
    /// An event of the past, for the members that asked for it. The frame itself is sent with it.
    Backfill {
        /// Each tab, with the call that asked.
        calls: Vec<(u32, u32)>,
    },
    /// A call has arrived.
    Answer {
        /// The member.
        member: u32,
        /// The call's number.
        number: u32,
        /// Whether the tab has a stream here: 200 or 404.
        status: u16,
    },
    /// The server refuses these channels for this tab.
    Refused {
        /// The member.
        member: u32,
        /// The channels, with the reasons.
        rejected: Vec<Rejected>,
    },
    /// The state of the connection.
    Status(Status),
    /// A failure of the connection.
    Failure(Failure),
}
