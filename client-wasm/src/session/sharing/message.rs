//! What the tabs of one browser say to each other. A tab that follows speaks the protocol to the one that leads, as to a server: it opens
//! a stream, makes calls, and is given frames.

use tidings_protocol::Pattern;

use super::super::{Cursors, Failure, Frame, Rejected, Status};

/// The version of all this. It is in the name of the tabs' group: during a deploy pages of the app as it was and as it is are
/// open side by side, and those that would misunderstand each other have a stream each. Raise it with every change.
#[cfg_attr(not(target_arch = "wasm32"), expect(dead_code, reason = "groups are named in a browser"))]
pub(crate) const VERSION: u32 = 7;

/// One message. Every tab of the group hears it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it is made to be written down at once")]
pub enum Message {
    /// A tab that follows says it to the one that leads.
    Ask {
        /// What the tab calls itself.
        tab: String,
        /// What it asks for.
        ask: TabAsk,
    },
    /// The tab that leads says it to those that follow.
    Tell {
        /// Under which name it leads.
        term: String,
        /// How many it has said in this term, this one included: whoever misses one knows it by the next.
        number: u32,
        /// What it says.
        tell: TabTell,
    },
}

/// What a tab asks of the one that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TabAsk {
    /// A stream, as the user that the server says it is.
    Open {
        /// How often it has asked. Only the answer to the last time counts: it knows what has come until then.
        attempt: u32,
        /// The user, as the tabs compare it.
        user: String,
        /// The channels that it will ask for. What a stream of before carried of these goes on.
        channels: Vec<Pattern>,
    },
    /// What a call to the server asks for.
    Call {
        /// Its `requestId`.
        number: u32,
        /// What it asks for.
        call: Call,
    },
    /// By which labels it hears addressed events. All of them reach it; so it is known of which nobody hears.
    Labels {
        /// All of them.
        labels: Vec<Pattern>,
    },
    /// A sign of life, of the stream as well.
    Probe {
        /// As the application's `connect()`.
        connect: bool,
    },
}

/// A call on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Carry these channels, from there on.
    Subscribe {
        /// Which.
        channels: Vec<Pattern>,
        /// The addressed events that came since, too.
        addressed: bool,
        /// From where on; `None`: from now on.
        since: Option<Cursors>,
    },
    /// Carry these channels no longer.
    Unsubscribe {
        /// Which.
        channels: Vec<Pattern>,
    },
    /// Tell who is online on these channels, and on no others.
    Presence {
        /// Which.
        channels: Vec<Pattern>,
    },
    /// Somebody reads the stream.
    Alive,
}

/// What the tab that leads says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it is made to be written down at once")]
pub enum TabTell {
    /// Whoever has no stream of it, or no longer, is to ask for one: this tab, or all.
    Lead {
        /// Which.
        tab: Option<String>,
    },
    /// The stream has become another user's: each asks the server whose it is.
    UserChanged,
    /// The stream is not of that tab's user.
    OtherUser {
        /// Which tab.
        tab: String,
    },
    /// It has asked for a stream, and has to wait for it.
    Wait {
        /// Which tab.
        tab: String,
        /// How the connection stands.
        status: Status,
    },
    /// It has a stream.
    Welcome {
        /// Which tab.
        tab: String,
        /// The attempt that this answers.
        attempt: u32,
        /// What the tab is called from here on.
        member: u32,
        /// How the connection stands.
        status: Status,
        /// The first frame of the stream: [`Frame::Connected`].
        frame: Frame,
    },
    /// A frame, of this tab's stream or of everybody's.
    Frame {
        /// Whose.
        member: Option<u32>,
        /// Which.
        frame: Frame,
    },
    /// An event, or news of who is online, for these; and how far the stream is. The frame itself goes with it.
    Event {
        /// The event's `id:`.
        id: Option<Cursors>,
        /// The tabs that hear it.
        members: Vec<u32>,
    },
    /// An event of the past, for those who asked for it. The frame itself goes with it.
    Backfill {
        /// Each tab, and which of its calls asked.
        calls: Vec<(u32, u32)>,
    },
    /// A call has arrived.
    Answer {
        /// Whose.
        member: u32,
        /// Its number.
        number: u32,
        /// Whether the tab has a stream here: 200 or 404.
        status: u16,
    },
    /// The server will not have these, for this tab.
    Refused {
        /// Whose they are.
        member: u32,
        /// Which, and why.
        rejected: Vec<Rejected>,
    },
    /// How the connection stands.
    Status(Status),
    /// What went wrong with it.
    Failure(Failure),
}
