//! A page as the world knows it: its operations in flight, and the reports to its application.

use std::collections::{BTreeMap, VecDeque};

use super::{
    handler::{Handler, Listener},
    op::Kind,
    stream::Stream,
};

/// A request in flight.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) id: u32,
    pub(super) url: String,
    pub(super) method: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Option<String>,
    /// Whether it is for a stream, and by `EventSource`.
    pub(super) stream: Option<bool>,
    /// The answer on its way back.
    pub(super) answer: Option<Answer>,
}

/// A lock that a page has requested.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) name: String,
    /// Whether the page has the lock, or can stop waiting for it: by the standard, a request that steals or does not
    /// wait cannot be aborted.
    pub(super) is_its_own: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: BTreeMap<&'static str, String>,
    pub(super) text: String,
    pub(super) breaks: bool,
}

pub(super) struct Page {
    /// The page's id in Node.
    pub(super) id: u32,
    pub(super) kind: Kind,
    /// The browser that the page is in.
    pub(super) browser: &'static str,
    pub(super) listener: Listener,
    /// How far the page's clock is ahead.
    pub(super) ahead_ms: u64,
    /// Whether no script runs in the page.
    pub(super) is_frozen: bool,
    /// Whether the page is in the back/forward cache.
    pub(super) is_cached: bool,
    pub(super) is_hidden: bool,
    pub(super) holds_timers: bool,
    pub(super) scripts: VecDeque<u32>,
    pub(super) tasks: VecDeque<u32>,
    /// When each timer is due.
    pub(super) timers: BTreeMap<u32, u64>,
    pub(super) requests: Vec<Request>,
    pub(super) streams: Vec<Stream>,
    /// The locks that it holds or waits for; below, the names of the open channels.
    pub(super) locks: BTreeMap<u32, Lock>,
    pub(super) channels: BTreeMap<u32, String>,
    pub(super) handlers: BTreeMap<u32, Handler>,
    pub(super) state: String,
    /// Whether the application did something that requires the engine.
    pub(super) is_used: bool,
    /// Whether `disconnect()` was called.
    pub(super) is_off: bool,
    /// The code of an error after which the client does not retry.
    pub(super) final_error: Option<String>,
    /// Whether the application received the error `internal`.
    pub(super) was_broken: bool,
    pub(super) was_denied: bool,
    /// Whether the client may wait for as long as a proxy said.
    pub(super) was_put_off: bool,
}

impl Page {
    pub(super) fn new(id: u32, kind: Kind, browser: &'static str, listener: Listener, ahead_ms: u64) -> Self {
        Self {
            id,
            kind,
            browser,
            listener,
            ahead_ms,
            is_frozen: false,
            is_cached: false,
            is_hidden: false,
            holds_timers: false,
            scripts: VecDeque::new(),
            tasks: VecDeque::new(),
            timers: BTreeMap::new(),
            requests: Vec::new(),
            streams: Vec::new(),
            locks: BTreeMap::new(),
            channels: BTreeMap::new(),
            handlers: BTreeMap::new(),
            state: "idle".to_owned(),
            is_used: false,
            is_off: false,
            final_error: None,
            was_broken: false,
            was_denied: false,
            was_put_off: false,
        }
    }

    /// Whether scripts run in the page.
    pub(super) fn runs(&self) -> bool {
        !self.is_frozen && !self.is_cached
    }

    /// One of the handlers that were not stopped.
    pub(super) fn handler(&self, which: usize) -> Option<u32> {
        let live: Vec<_> = self.handlers.iter().filter(|(_, handler)| !handler.is_gone).map(|(id, _)| *id).collect();
        live.get(which.checked_rem(live.len())?).copied()
    }

    pub(super) fn has_handlers(&self) -> bool {
        self.handlers.values().any(|handler| !handler.is_gone)
    }

    /// What a client at rest still holds, if anything.
    pub(super) fn holds(&self) -> Option<String> {
        let request = self.requests.iter().find(|request| request.stream.is_some()).map(|request| &request.url);
        let stream = self.streams.first().map(|_| "a stream".to_owned());
        // Tabs agree on a device id even if none of them connects.
        let is_kept = |lock: &&Lock| lock.is_its_own && !lock.name.starts_with("tidings device");
        let lock = self.locks.values().find(is_kept).map(|lock| &lock.name);
        stream.or(request.or(lock).or(self.channels.values().next()).cloned())
    }
}
