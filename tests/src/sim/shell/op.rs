//! Steps: what can happen. A step names its parties by numbers taken modulo what is there, so that any list of steps is a schedule.

use serde::{Deserialize, Serialize};

use super::protocol::Act;

/// What becomes of a request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Arrives,
    Lost,
    /// Gone without a word.
    Vanishes,
    /// Taken to the other node.
    Misled,
    /// A proxy answers in the server's place, or says that it is not there: with this `Retry-After`, in seconds, as a number or a date.
    Unavailable {
        retry_after: Option<u32>,
        dated: bool,
    },
    /// A proxy refuses it.
    Forbidden,
    /// What serves the page answers with it.
    WebPage,
    /// The answer's body breaks off.
    Broken,
}

/// From where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Since {
    Now,
    Kept(usize),
    Garbage,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cut {
    /// So many bytes still arrive.
    Both(usize),
    /// The page learns nothing of it.
    Silent,
}

/// What is unusual about a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kind {
    /// It reads streams by `EventSource`, or by `fetch`.
    pub(super) by_source: bool,
    pub(super) shares: bool,
    pub(super) refuses_storage: bool,
    /// Nothing is stored yet: the tabs agree on a device id.
    pub(super) is_new: bool,
    pub(super) lacks_locks: bool,
    pub(super) lacks_channels: bool,
    pub(super) srcdoc: bool,
    /// By `configureTidings` and `getTidings`.
    pub(super) as_app: bool,
    /// Its credentials come by the option `token`, and not by cookies.
    pub(super) by_token: bool,
    /// The option `url` is no URL.
    pub(super) misled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Op {
    Publish {
        node: usize,
        topic: usize,
        hidden: Option<usize>,
    },
    /// More channels in one chunk than a client remembers.
    Flood {
        tab: usize,
        node: usize,
    },
    Follow {
        node: usize,
    },
    Keep {
        node: usize,
    },
    Trim {
        records: usize,
    },
    Crash {
        node: usize,
    },
    Boot {
        node: usize,
    },
    Drain {
        node: usize,
    },

    /// The tab's page is another one.
    Reload {
        tab: usize,
        kind: Kind,
    },
    /// All that is under way for a tab arrives.
    Exchange {
        tab: usize,
        node: usize,
    },
    Script {
        tab: usize,
        comes: bool,
    },
    Task {
        tab: usize,
    },
    Request {
        tab: usize,
        which: usize,
        node: usize,
        fate: Fate,
    },
    /// A proxy refuses that a tab unsubscribes.
    RefuseUnsubscribe {
        tab: usize,
    },
    Read {
        tab: usize,
        bytes: usize,
    },
    Cut {
        tab: usize,
        cut: Cut,
    },
    Hear {
        tab: usize,
        words: usize,
    },
    Miss {
        tab: usize,
    },
    Deny {
        tab: usize,
    },

    Subscribe {
        tab: usize,
        pattern: usize,
        since: Since,
        acts: Vec<(u32, Act)>,
    },
    On {
        tab: usize,
        label: usize,
        acts: Vec<(u32, Act)>,
    },
    Stop {
        tab: usize,
        which: usize,
    },
    /// One handler begins and another ends, in one go.
    Swap {
        tab: usize,
        which: usize,
        pattern: usize,
    },
    Connect {
        tab: usize,
    },
    Disconnect {
        tab: usize,
    },
    Reset {
        tab: usize,
    },
    Headers {
        tab: usize,
    },
    Preload {
        tab: usize,
    },
    Fetch {
        tab: usize,
    },
    Configure {
        tab: usize,
    },

    Throws {
        tab: usize,
        what: usize,
        times: u32,
    },
    Freeze {
        tab: usize,
    },
    Thaw {
        tab: usize,
    },
    /// Into the back/forward cache, and back.
    PageHide {
        tab: usize,
    },
    PageShow {
        tab: usize,
    },
    Hide {
        tab: usize,
    },
    Show {
        tab: usize,
    },
    Online {
        tab: usize,
    },
    /// Its timers do not fire, until it is shown.
    HoldTimers {
        tab: usize,
    },
    Pass {
        ms: u64,
    },
}
