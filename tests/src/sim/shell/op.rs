//! Steps: what can happen. A step names its parties by numbers modulo what exists, so any list of steps is a schedule.

use serde::{Deserialize, Serialize};

use super::protocol::Act;

/// The fate of a request or its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Fate {
    Arrives,
    Lost,
    /// It vanishes silently.
    Vanishes,
    /// It is taken to the other node.
    Misled,
    /// A proxy answers in place of the server with 503 and this `Retry-After`, in seconds, as a number or a date.
    Unavailable {
        retry_after: Option<u32>,
        dated: bool,
    },
    /// A proxy refuses it.
    Forbidden,
    /// The page's web server answers with the page.
    WebPage,
    /// The body of the answer breaks off.
    Broken,
}

/// The point from which a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Since {
    Now,
    Kept(usize),
    Garbage,
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Cut {
    /// Both ends notice; this many bytes still arrive.
    Both(usize),
    /// The page does not notice.
    Silent,
}

/// The properties of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kind {
    /// Whether it reads streams by `EventSource`, or by `fetch`.
    pub(super) by_source: bool,
    pub(super) shares: bool,
    pub(super) refuses_storage: bool,
    /// Nothing is stored yet, so the tabs have to agree on a device id.
    pub(super) is_new: bool,
    pub(super) lacks_locks: bool,
    pub(super) lacks_channels: bool,
    pub(super) srcdoc: bool,
    /// Whether it uses `configureTidings` and `getTidings`.
    pub(super) as_app: bool,
    /// Whether its credentials come from the option `token`, and not from cookies.
    pub(super) by_token: bool,
    /// Whether the option `url` is not a URL.
    pub(super) misled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Op {
    Publish {
        node: usize,
        topic: usize,
        hidden: Option<usize>,
    },
    /// One chunk has more channels than a client remembers.
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
    /// The log loses its last records, though it had acknowledged them.
    RollBack {
        records: usize,
    },
    /// The log begins anew.
    Wipe,
    Revoke {
        tab: usize,
        pattern: usize,
        node: usize,
    },
    Restore {
        tab: usize,
        node: usize,
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

    /// The tab's page is replaced.
    Reload {
        tab: usize,
        kind: Kind,
    },
    /// Everything in flight for a tab arrives.
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
    /// A proxy refuses a tab's unsubscribe call.
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
    /// One handler begins and another ends at the same time.
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
    /// The page enters the back/forward cache, or returns.
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
    /// The page's timers do not fire until it is visible.
    HoldTimers {
        tab: usize,
    },
    Pass {
        ms: u64,
    },
}
