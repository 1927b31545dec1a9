//! The client as a state machine without I/O: no browser, no clock, no random source. A driver hands in what happens,
//! with the time, and carries out the [`Action`]s that come of it.
//!
//! ```text
//! application   subscribe on unsubscribe connect disconnect reset ──┐
//! stream        frame record backfill failed refused ───────────────┤→ Session → next_action() → Open Close Send State …
//! requests      answer ─────────────────────────────────────────────┤           → deadline() → one timer → wake()
//! other tabs    locked held lost gone told ─────────────────────────┤
//! world         online visible suspend resume wake flush ───────────┘
//! ```
//!
//! After every call the driver takes all actions, sets its one timer to [`Session::deadline`], and where
//! [`Session::is_dirty`] calls [`Session::flush`] at the end of the microtask, so that what an application subscribes and
//! unsubscribes in one go leaves in one request.
//!
//! | part | holds |
//! |---|---|
//! | this file | the application's calls |
//! | `queries` | what can be asked of it |
//! | `phase` | where the connection stands, and what belongs to that |
//! | `link` | the life of a connection: opening, failing, finding out why, waiting |
//! | `watchdog` | time, and doubt |
//! | `stream` | what the stream says: that it is there, and what is confirmed |
//! | `delivery`, `gaps`, `refusals` | events, what may be missing, what the server will not have |
//! | `credentials` | tokens, tickets, and refreshing a stream that is open |
//! | `calls` | subscribe and unsubscribe on a live stream |
//! | `presence` | who is online |
//! | `latency` | how long events take to their handlers |
//! | `subscription` | one handler and how far it has heard |
//! | `config` | how a session behaves, and who it is |
//! | `cursors` | a point in all logs of a stream |
//! | `input`, `action` | what goes in and what comes out |
//! | `address` | URLs and bodies |
//! | `tabs` | one stream for all tabs: who leads |
//! | `hub`, `follower` | the leader's side of it, and a follower's |
//! | `message` | what the tabs say to each other |
//!
//! # Example
//!
//! ```
//! use tidings_client::session::{Action, Config, Hears, Identity, Session};
//!
//! let identity = Identity { device_id: "d1".into(), session_id: "s1".into() };
//! let mut session = Session::new(Config::new("/api/events"), identity, 42);
//! session.subscribe("timer:u1".parse()?, None);
//! session.flush(0);
//! let opened = std::iter::from_fn(|| session.next_action()).find_map(|action| match action {
//!     Action::Open { url } => Some(url),
//!     _ => None,
//! });
//! let url = opened.unwrap();
//! assert!(url.starts_with("/api/events?channels=timer:u1&deviceId=d1&sessionId=s1&nonce="), "{url}");
//! # Ok::<(), tidings_protocol::ChannelError>(())
//! ```

mod action;
mod address;
mod calls;
mod config;
mod credentials;
mod cursors;
mod delivery;
mod follower;
mod gaps;
mod hub;
mod input;
mod latency;
mod link;
mod message;
mod phase;
mod presence;
mod queries;
mod refusals;
mod stream;
mod subscription;
mod tabs;
#[cfg(test)]
mod tests;
mod watchdog;

use tidings_protocol::Pattern;

pub use action::{Action, Ask, Request, State, Status, Trouble};
pub use config::{Config, Identity};
pub use credentials::Access;
pub use cursors::Cursors;
pub use input::{Answer, Connected, Exclusion, Frame, Rejected};

pub use crate::{
    backoff::{Backoff, Random},
    routes::{HandlerId, Hears, Route, Routes},
};
use address::Address;
pub use follower::Relayed;
use latency::Latency;
#[cfg_attr(not(target_arch = "wasm32"), expect(unused_imports, reason = "groups are named in a browser"))]
pub(crate) use message::VERSION;
pub use message::{Call, Message, TabAsk, TabTell};
use phase::Phase;
use subscription::{Known, Standing, Subscription};
use tabs::Tabs;

/// A client's connection, its subscriptions, and its place in the log.
#[derive(Debug)]
pub struct Session {
    address: Address,
    reconnect: Option<Backoff>,
    idle_ms: Option<u64>,
    access: Access,
    cross_origin: bool,
    identity: Identity,
    random: Random,
    /// What makes each stream's URL another one.
    nonces: Random,
    /// The other tabs, unless each has a stream of its own.
    tabs: Option<Tabs>,

    phase: Phase,
    /// Who the server says we are.
    user_id: Option<String>,
    /// The stream's place in the log: the `id` of its last frame that had one.
    cursor: Option<Cursors>,
    /// The highest position seen in any frame: what a subscribe call brought of the past may lie beyond the cursor.
    seen: Option<Cursors>,
    /// The cursor is the page's own (`since`) and no stream has taken it up yet.
    untried: bool,
    /// The page's own cursor could not be read.
    owes_gap: bool,
    /// Failed attempts since a stream last lived.
    failures: u32,
    /// How often what is awaited was begun anew, because somebody had reason to doubt that it still comes, since anything last
    /// came of it.
    restarts: u32,
    /// [`Self::connect`] was called while something is awaited; seen to at the end of the microtask.
    doubted: bool,
    /// The attempt that is being diagnosed was silent until its time was over.
    was_silent: bool,
    /// A token was refused and another one asked for, and none has been accepted since.
    renewed: bool,
    heartbeat_ms: u64,
    latency_share: u64,
    /// What is measured, on streams of which something is.
    latency: Option<Latency>,

    /// In the order of their ids.
    subscriptions: Vec<Subscription>,
    routes: Routes,
    next_handler: u32,
    next_request: u32,
    /// The last handler left; nobody else came before this time.
    idle_at: Option<u64>,
    dirty: bool,
    actions: Vec<Action>,
}

impl Session {
    /// A session that does nothing until it has a handler or is told to connect. The seed decides its random waits.
    #[must_use]
    pub fn new(config: Config, identity: Identity, seed: u64) -> Self {
        let Config { url, since, reconnect, idle_ms, access, cross_origin, share, latency } = config;
        let mut random = Random::new(seed);
        let tabs = share.then(|| Tabs::new(&mut random));
        let since = since.map(|since| since.parse::<Cursors>());
        Self {
            address: Address::new(&url),
            reconnect,
            idle_ms,
            access,
            cross_origin,
            identity,
            random,
            // Apart from the waits, so that a seed repeats those.
            nonces: Random::new(!seed),
            tabs,
            phase: Phase::Idle,
            user_id: None,
            cursor: since.as_ref().and_then(|since| since.as_ref().ok()).copied(),
            seen: None,
            untried: matches!(since, Some(Ok(_))),
            owes_gap: matches!(since, Some(Err(_))),
            failures: 0,
            was_silent: false,
            restarts: 0,
            doubted: false,
            renewed: false,
            heartbeat_ms: phase::HEARTBEAT_MS,
            latency_share: latency,
            latency: None,
            subscriptions: Vec::new(),
            routes: Routes::default(),
            next_handler: 0,
            next_request: 0,
            idle_at: None,
            dirty: false,
            actions: Vec::new(),
        }
    }

    /// Hears what is published to a channel, or to all that a pattern matches. With `since`, also what it carried after
    /// that cursor; a text that is no cursor is told as a gap, because a page may have kept it for longer than a server.
    pub fn subscribe(&mut self, pattern: Pattern, since: Option<&str>) -> HandlerId {
        let since = since.map(str::parse::<Cursors>);
        let owes_gap = matches!(since, Some(Err(_)));
        let since = since.and_then(Result::ok);
        let id = self.add(Hears::Channels, pattern, since);
        if owes_gap && let Some(subscription) = self.subscription(id) {
            subscription.owes_gap = true;
        }
        id
    }

    /// Hears what is addressed to this user or device, by its label.
    pub fn on(&mut self, label: Pattern) -> HandlerId {
        let id = self.add(Hears::Addressed, label, None);
        if let Phase::Open(_) = self.phase {
            self.activate(id, None);
        }
        id
    }

    fn add(&mut self, hears: Hears, pattern: Pattern, since: Option<Cursors>) -> HandlerId {
        let id = HandlerId(self.next_handler);
        self.next_handler += 1;
        self.routes.add(id, hears, pattern.clone());
        let standing = Standing::Pending { since, call: None };
        self.subscriptions.push(Subscription { standing, mark: since, ..Subscription::new(id, hears, pattern) });
        self.idle_at = None;
        self.dirty = true;
        id
    }

    /// Ends what `subscribe` or `on` began.
    pub fn unsubscribe(&mut self, now: u64, handler: HandlerId) {
        let Ok(index) = self.subscriptions.binary_search_by_key(&handler, |subscription| subscription.id) else {
            return;
        };
        let subscription = self.subscriptions.remove(index);
        self.routes.remove(handler);
        self.dirty = true;
        if subscription.hears == Hears::Presence {
            self.presence_changed();
        }
        if subscription.known == Known::Nothing {
            self.actions.push(Action::Settled { handler, refusal: Some("stopped".into()) });
        }
        if !self.subscriptions.iter().any(|one| one.owner == 0) {
            self.idle_at = self.idle_ms.map(|ms| now.saturating_add(ms));
        }
    }

    /// Connects at once, from any state, and resets the attempts. What is under way and has not been answered for a while is begun
    /// anew, an open stream has to prove that it lives, and what the server refused before is asked for again on it.
    pub fn connect(&mut self) {
        self.failures = 0;
        self.renewed = false;
        self.ask_again();
        self.dirty = true;
        match self.phase {
            Phase::Closed | Phase::Idle | Phase::Suspended | Phase::Diagnosing { .. } | Phase::Waiting { .. } => {
                self.enter(Phase::Starting);
            }
            _ => self.doubted = true,
        }
    }

    /// Ends the connection and keeps the subscriptions; only [`Self::connect`] begins another.
    pub fn disconnect(&mut self) {
        self.leave();
        self.exit();
        self.enter(Phase::Closed);
    }

    /// Forgets who it was: user, cursor and handlers, and takes this session id. The device id stays, because it names
    /// the browser, not the person.
    pub fn reset(&mut self, session_id: String) {
        self.leave();
        self.exit();
        self.forget_user();
        for subscription in std::mem::take(&mut self.subscriptions) {
            if subscription.known == Known::Nothing {
                let refusal = Some("stopped".into());
                self.actions.push(Action::Settled { handler: subscription.id, refusal });
            }
        }
        self.routes.clear();
        self.identity.session_id = session_id;
        self.user_id = None;
        self.idle_at = None;
        self.owes_gap = false;
        self.forget_position();
        self.latency = None;
        self.failures = 0;
        self.enter(Phase::Idle);
    }

    /// The end of the microtask in which the application made its calls: acts on all of them together.
    pub fn flush(&mut self, now: u64) {
        self.dirty = false;
        if matches!(self.phase, Phase::Idle) && !self.subscriptions.is_empty() {
            self.enter(Phase::Starting);
        }
        if std::mem::take(&mut self.doubted) {
            self.probe_or_retry_now(now, true);
        }
        match &self.phase {
            Phase::Starting => self.open(now),
            Phase::Open(_) => {
                self.sync_subscriptions(now);
                self.ask_presence();
                self.tell_labels();
            }
            _ => {}
        }
    }

    /// Whether there is anything to do, at once or at the end of the microtask.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.dirty || !self.actions.is_empty()
    }

    /// The next thing to do, if any.
    pub fn next_action(&mut self) -> Option<Action> {
        self.tell_outcomes();
        // They are few, and a ring of them costs the browser half a kilobyte.
        if self.actions.is_empty() { None } else { Some(self.actions.remove(0)) }
    }

    /// Whether [`Self::flush`] is due at the end of the microtask.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// The tabs of this browser, each of which had drawn a device id, have agreed on this one. Before the first stream.
    pub fn agreed_on_device(&mut self, id: String) {
        self.identity.device_id = id;
    }

    /// Who hears what; its routes go into [`Self::record`] and [`Self::backfill`].
    pub fn routes(&mut self) -> &mut Routes {
        &mut self.routes
    }

    fn subscription(&mut self, id: HandlerId) -> Option<&mut Subscription> {
        subscription::find(&mut self.subscriptions, id)
    }

    fn forget_position(&mut self) {
        self.cursor = None;
        self.seen = None;
        self.untried = false;
    }

    fn request_number(&mut self) -> u32 {
        self.next_request += 1;
        self.next_request
    }
}
