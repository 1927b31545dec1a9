//! The messages between the world and the pages in Node; `tests/shell/host.mjs` is the other side.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A command to one page, at the page's own time.
#[derive(Debug, Serialize)]
pub(super) struct Addressed<'a> {
    pub(super) tab: u32,
    /// The page's monotonic clock, in milliseconds.
    pub(super) now: u64,
    /// Milliseconds since 1970.
    pub(super) wall: u64,
    #[serde(flatten)]
    pub(super) command: &'a Command,
}

/// What happens to a page, or to all of them.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "command", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Command {
    /// A schedule begins: there is no page yet, and this sabotage is applied to the package.
    Begin {
        sabotage: &'static str,
    },
    Open(Box<Opening>),
    /// The page is gone.
    Close,
    /// The application calls its client.
    Call(Call),
    /// The next calls of a global throw.
    Throws {
        what: &'static str,
        times: u32,
    },
    Answer {
        id: u32,
        status: u16,
        headers: BTreeMap<&'static str, String>,
        text: String,
        streams: bool,
        breaks: bool,
    },
    Fail {
        id: u32,
    },
    Chunk {
        id: u32,
        bytes: String,
    },
    End {
        id: u32,
        breaks: bool,
    },
    Frame {
        id: u32,
        r#type: String,
        data: String,
        last_event_id: String,
    },
    Message {
        id: u32,
        data: String,
    },
    Timer {
        id: u32,
    },
    Task {
        id: u32,
    },
    Lock {
        id: u32,
        granted: bool,
    },
    Unlocked {
        id: u32,
        name: &'static str,
    },
    Held {
        id: u32,
        names: Vec<String>,
    },
    Event {
        r#type: &'static str,
        hidden: Option<bool>,
        persisted: bool,
    },
    Script {
        id: u32,
        comes: bool,
    },
}

/// The opening of a page.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opening {
    pub(super) seed: Seed,
    /// The browser whose storage it has.
    pub(super) device: &'static str,
    pub(super) stored_device: Option<&'static str>,
    pub(super) refuses_storage: bool,
    pub(super) lacks: Vec<&'static str>,
    pub(super) srcdoc: bool,
    pub(super) options: Options,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Seed {
    pub(super) at: String,
}

/// The options of `new Tidings()`, and how the application makes the client.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    pub(super) as_app: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<&'static str>,
    pub(super) url: &'static str,
    pub(super) transport: &'static str,
    pub(super) share_connection: bool,
    pub(super) reconnect: Reconnect,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reconnect {
    pub(super) base_ms: u32,
    pub(super) cap_ms: u32,
}

/// A call of the application.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "method", rename_all = "camelCase")]
pub(super) enum Call {
    Subscribe { handler: u32, channel: &'static str, since: Option<String>, acts: Vec<(u32, Act)> },
    On { handler: u32, channel: &'static str, acts: Vec<(u32, Act)> },
    Stop { handler: u32 },
    Swap { stops: u32, handler: u32, channel: &'static str },
    Connect,
    Disconnect,
    Reset,
    Headers,
    Preload,
    Fetch,
    Configure,
}

/// What a handler does beside receiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Act {
    Throw,
    Stop,
    Connect,
    Disconnect,
    Reset,
}

/// What a page did.
#[derive(Debug, Deserialize)]
pub(super) struct Effect {
    pub(super) tab: u32,
    #[serde(flatten)]
    pub(super) does: Does,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "does", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Does {
    // Requests to its browser.
    Fetch {
        id: u32,
        url: String,
        method: String,
        headers: BTreeMap<String, String>,
        #[serde(default)]
        body: Option<String>,
    },
    Source {
        id: u32,
        url: String,
    },
    /// It aborts a request, or closes a stream or a source.
    Abort {
        id: u32,
    },
    Timer {
        id: u32,
        ms: f64,
    },
    Clear {
        id: u32,
    },
    Task {
        id: u32,
    },
    Import {
        id: u32,
    },
    Lock {
        id: u32,
        name: String,
        mode: Mode,
        if_available: bool,
        steal: bool,
    },
    /// It releases a lock, or stops waiting for it.
    Unlock {
        id: u32,
    },
    Query {
        id: u32,
    },
    Channel {
        id: u32,
        name: String,
    },
    CloseChannel {
        id: u32,
    },
    Post {
        id: u32,
        data: String,
    },

    // Reports to its application.
    #[serde(rename_all = "camelCase")]
    Identity {
        session_id: String,
    },
    Event {
        handler: u32,
        cursor: String,
        n: i64,
        p: String,
    },
    Ready {
        handler: u32,
    },
    NotReady {
        handler: u32,
        code: String,
    },
    Revoked {
        handler: u32,
        code: String,
    },
    HandlerGap {
        handler: u32,
        reason: String,
    },
    Gap {
        reason: String,
        addressed: bool,
    },
    State {
        state: String,
        #[serde(default)]
        code: Option<String>,
    },
    Error {
        code: String,
        will_retry: bool,
    },

    // Actions of its application.
    Acts {
        act: Act,
    },
    Stopped {
        handler: u32,
    },
    Reset,

    // Failures.
    /// A broken global was called, and threw.
    Thrown {
        what: String,
    },
    /// The client threw at its caller.
    Threw {
        what: String,
        text: String,
    },
    /// An exception was not caught.
    Uncaught {
        text: String,
    },
    Log,
    /// The host itself failed.
    Failed {
        #[expect(dead_code, reason = "it is shown where that panics")]
        text: String,
    },
}

/// How a lock is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Mode {
    Exclusive,
    Shared,
}
