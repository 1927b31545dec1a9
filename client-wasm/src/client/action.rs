//! The actions that the core requests, in this order.

use tidings_protocol::Pattern;

use super::{cursors::Cursors, sharing::Message};
use crate::routes::HandlerId;

/// The state of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing has asked for a connection yet, or there was no handler for longer than `idle_ms`.
    Idle,
    /// An attempt is under way.
    Connecting,
    /// The server has answered, and events arrive.
    Open,
    /// The last attempt failed; the next one is planned.
    Waiting,
    /// Ended by `disconnect`, or the client has given up.
    Closed,
}

impl State {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Connecting, Self::Open, Self::Waiting, Self::Closed];

    /// The state's name, the same in Rust and in JavaScript.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Closed => "closed",
        }
    }
}

/// One action for the driver to carry out, or to report to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "they are few, and soon carried out")]
pub enum Action {
    /// Open a stream. No stream is open before this action.
    Open {
        /// The URL of the stream.
        url: String,
    },
    /// Close the stream. No frame of it may be passed in any more.
    Close,
    /// Send a request and pass in its [`Answer`](super::Answer) under this number.
    Send(Request),
    /// Report the connection's state to the application.
    State(Status),
    /// A handler receives every event from here on, or never will; after a confirmation, sent once more if its channel
    /// is revoked.
    Settled {
        /// The handler.
        handler: HandlerId,
        /// The reason why the handler never will receive events, or no longer does.
        refusal: Option<String>,
    },
    /// Report to the application that it may have missed events.
    Gap {
        /// The channels on which events may be missing; `None` means all, with addressed events.
        channels: Option<Vec<Pattern>>,
        /// Whether addressed events may be missing as well; always true without a list.
        addressed: bool,
        /// With a list: the cursor up to which events may be missing, if it is known.
        cursor: Option<Cursors>,
        /// The reason.
        reason: String,
        /// The subscriptions that are concerned.
        handlers: Vec<HandlerId>,
    },
    /// Report a failure to the application.
    Error(Failure),
    /// Enter the group of tabs: hold a lock with this tab's name, open the group's channel, and request the group's
    /// lock, once without waiting and then in the queue.
    Enter {
        /// The name of this tab.
        tab: String,
        /// Absent in the group of all tabs with this URL, credentials mode and device; the user, in the group of one
        /// user among those tabs.
        user: Option<String>,
    },
    /// Leave the group: release held locks, withdraw requests for locks, and close the channel.
    Exit,
    /// Take the group's lock from a holder that does not answer.
    Steal,
    /// Call [`ClientCore::gone`](super::ClientCore::gone) when this tab's lock becomes free, for as long as this tab leads.
    Watch {
        /// The tab.
        tab: String,
    },
    /// Post to the group's channel.
    Post {
        /// The message.
        message: Message,
        /// Whether the data of the stream's current frame is sent with it.
        with_frame: bool,
    },
}

/// A request beside the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The number under which its answer is passed in.
    pub number: u32,
    /// The receiver of the request, and its mode.
    pub ask: Ask,
    /// The URL; empty for a token.
    pub url: String,
    /// JSON to POST; without a body, the request is a GET.
    pub body: Option<String>,
}

/// The receiver of a request, and its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The server, with the credentials.
    Server = 0,
    /// The application, for a token. The driver keeps the token for later requests; the core never sees it.
    Token = 1,
    /// The server, without credentials and without reading the answer: whether the server can be reached at all.
    Probe = 2,
    /// The server, with a report that may be lost, also while the page is left.
    Report = 3,
}

/// The state of the connection, with details that a page may want to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// The number of failed attempts since the connection last opened.
    pub attempt: u32,
    /// The wait until the next attempt, while one is planned.
    pub retry_in_ms: Option<u64>,
    /// The server's name for the stream, while open.
    pub connection_id: Option<String>,
}

/// A failure.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// The code of the failure, for programs: the server's own code if it sent one.
    pub code: String,
    /// Whether the core retries by itself.
    pub will_retry: bool,
    /// The HTTP status of the answer; `None` without an answer.
    pub status: Option<u16>,
    /// What happened, for a person.
    pub detail: Option<String>,
    /// The channel that was refused.
    pub channel: Option<Pattern>,
}

impl Failure {
    /// A failure of which only the code is known.
    pub(super) fn of(code: String) -> Self {
        Self { code, ..Self::default() }
    }
}
