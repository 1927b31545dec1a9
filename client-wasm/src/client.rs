//! The client as a state machine without I/O: no browser, no clock, no random source. A driver passes in what happens,
//! with the time, and carries out the resulting [`Action`]s.
//!
//! ```text
//! application   subscribe on unsubscribe connect disconnect reset ──┐
//! stream        frame record backfill failed refused ───────────────┤→ ClientCore → next_action() → Open Close Send State …
//! requests      answer ─────────────────────────────────────────────┤              → deadline() → one timer → wake()
//! other tabs    locked held lost gone told ─────────────────────────┤
//! world         online visible suspend resume wake flush ───────────┘
//! ```
//!
//! After every call the driver takes all actions, sets its one timer to [`ClientCore::deadline`], and calls
//! [`ClientCore::flush`] at the end of the microtask if [`ClientCore::is_dirty`], so that subscriptions that an application
//! adds and removes in one turn leave in one request.
//!
//! Four owners hold the state of a client, each with fields of its own. Their methods take and return values:
//!
//! | owner | holds |
//! |---|---|
//! | `connection` | the phase, attempts and back-off, and the watchdog over the stream |
//! | `auth` | tokens, tickets, the refresh of an open stream, and the user |
//! | `ledger` | subscriptions, cursors, calls and gaps, of this tab and of the tabs that follow it |
//! | `sharing` | one stream for all tabs: another source of frames, and other subscribers |
//!
//! Steps connect the owners. No file calls one above it in this list:
//!
//! | step | handles |
//! |---|---|
//! | `following` | messages of the leading tab |
//! | `members` | requests of tabs that follow |
//! | `application`, `locks` | calls of the application, the page and the browser's locks |
//! | `waking` | the passage of time |
//! | `answers` | answers to requests |
//! | `stream` | frames of the stream |
//! | `relaying` | frames that are passed on to the tabs that follow |
//! | `calling` | calls on an open stream |
//! | `failing` | a stream that fails or ends, and doubt about one |
//! | `opening` | opening a stream |
//! | `core` | the owners together, and the common parts of all steps |
//!
//! The other modules: `input` and `action` define what goes in and what comes out; `out` gathers actions; `address`
//! makes URLs and bodies; `latency` measures how long events take to their handlers; `config` has the core's
//! settings and identity.
//!
//! # Example
//!
//! ```
//! use tidings_client::client::{Action, Config, Hears, Identity, ClientCore};
//!
//! let identity = Identity { device_id: "d1".into(), session_id: "s1".into() };
//! let mut core = ClientCore::new(Config::new("/api/events"), identity, 42);
//! core.subscribe("timer:u1".parse()?, None);
//! core.flush(0);
//! let opened = std::iter::from_fn(|| core.next_action()).find_map(|action| match action {
//!     Action::Open { url } => Some(url),
//!     _ => None,
//! });
//! let url = opened.unwrap();
//! assert!(url.starts_with("/api/events?channels=timer:u1&deviceId=d1&sessionId=s1&protocol=2&nonce="), "{url}");
//! # Ok::<(), tidings_protocol::ChannelError>(())
//! ```

mod action;
mod address;
mod answers;
mod application;
mod auth;
mod calling;
mod config;
mod connection;
mod core;
mod cursors;
mod failing;
mod following;
mod input;
mod latency;
mod ledger;
mod locks;
mod members;
mod opening;
mod out;
mod relaying;
mod sharing;
mod stream;
#[cfg(test)]
mod tests;
mod waking;

pub use self::core::ClientCore;
pub use action::{Action, Ask, Failure, Request, State, Status};
pub use auth::Access;
pub use config::{Config, Identity};
pub use cursors::Cursors;
pub use following::Relayed;
pub use input::{Answer, Connected, Exclusion, Frame, Rejected};
#[cfg_attr(not(target_arch = "wasm32"), expect(unused_imports, reason = "groups are named in a browser"))]
pub(crate) use sharing::VERSION;
pub use sharing::{Call, Message, TabAsk, TabTell};

pub use crate::{
    backoff::{Backoff, Random},
    routes::{HandlerId, Hears, Route, Routes},
};
