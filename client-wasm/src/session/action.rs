//! What the session wants done, in this order.

use tidings_protocol::Pattern;

use super::{cursors::Cursors, sharing::Message};
use crate::routes::HandlerId;

/// Where the connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing asked for it yet, or nobody listened for longer than `idle_ms`.
    Idle,
    /// An attempt is under way.
    Connecting,
    /// The server has answered; events flow.
    Open,
    /// The last attempt failed; the next one is planned.
    Waiting,
    /// Ended by `disconnect`, or given up.
    Closed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Idle, Self::Connecting, Self::Open, Self::Waiting, Self::Closed];

    /// The word for it, the same in Rust and in JavaScript.
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

/// One thing for the driver to do, or to tell the application.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "they are few, and soon carried out")]
pub enum Action {
    /// Open a stream. There is none open before this.
    Open {
        /// Where.
        url: String,
    },
    /// Close the stream. Nothing of it may be handed in any more.
    Close,
    /// Send a request and hand in its [`Answer`](super::Answer) under this number.
    Send(Request),
    /// Tell the application where the connection stands.
    State(Status),
    /// A handler hears everything from here on, or never will; after that, once more if its channel is revoked.
    Settled {
        /// Which.
        handler: HandlerId,
        /// Why it never will, or no longer.
        refusal: Option<String>,
    },
    /// Tell the application that it may have missed events.
    Gap {
        /// On which channels; `None` on all, addressed events included.
        channels: Option<Vec<Pattern>>,
        /// Whether among addressed events as well; always so on all.
        addressed: bool,
        /// Beside a list: up to where, if that is known.
        cursor: Option<Cursors>,
        /// Why.
        reason: String,
        /// The subscriptions that are meant.
        handlers: Vec<HandlerId>,
    },
    /// Tell the application what went wrong.
    Error(Failure),
    /// Go among the other tabs: hold a lock by this tab's name, open the group's channel, and ask for its lock, once without
    /// waiting and then in the queue.
    Enter {
        /// What this tab calls itself.
        tab: String,
        /// Absent in the group of all tabs with this URL, credentials mode and device; in the group of one user among them,
        /// that user.
        user: Option<String>,
    },
    /// Leave the group: release what is held, withdraw what is asked for, and close the channel.
    Exit,
    /// Take the group's lock from whom has it and says nothing.
    Steal,
    /// Hand in [`Session::gone`](super::Session::gone) when this tab's lock is free, for as long as this tab leads.
    Watch {
        /// Which.
        tab: String,
    },
    /// Post to the group's channel.
    Post {
        /// What to say.
        message: Message,
        /// The data of the stream's current frame goes with it.
        with_frame: bool,
    },
}

/// A request beside the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Under which its answer is handed in.
    pub number: u32,
    /// Who is asked, and how.
    pub ask: Ask,
    /// Where; empty for a token.
    pub url: String,
    /// JSON to POST; without, it is a GET.
    pub body: Option<String>,
}

/// Who is asked, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The server, with the credentials.
    Server = 0,
    /// The application, for a token. The driver keeps it for requests to come; the session never sees it.
    Token = 1,
    /// The server, without credentials and without seeing the answer: whether it can be reached at all.
    Probe = 2,
    /// The server, for what it may have or not, also while the page goes away.
    Report = 3,
}

/// Where the connection stands, and what a page may want to show beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it stands.
    pub state: State,
    /// Failed attempts since it last opened.
    pub attempt: u32,
    /// The wait until the next attempt, while one is planned.
    pub retry_in_ms: Option<u64>,
    /// The server's name for the stream, while open.
    pub connection_id: Option<String>,
}

/// Something went wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    /// What, for programs: the server's own code where it gave one.
    pub code: String,
    /// Whether the session tries again by itself.
    pub will_retry: bool,
    /// The HTTP status of the answer.
    pub status: Option<u16>,
    /// What happened, for a person.
    pub detail: Option<String>,
    /// The channel that was refused.
    pub channel: Option<Pattern>,
}

impl Failure {
    /// One of which nothing is known but what went wrong.
    pub(super) fn of(code: String) -> Self {
        Self { code, ..Self::default() }
    }
}
