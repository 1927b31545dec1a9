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
//! Four owners hold what a client is, each with fields of its own: values go in, values come out.
//!
//! | owner | holds |
//! |---|---|
//! | `connection` | the phase, attempts and back-off, and the watchdog over the stream |
//! | `auth` | tokens, tickets, refreshing a stream that is open, and the user |
//! | `ledger` | subscriptions, cursors, calls and gaps, of this tab and of those that follow it |
//! | `sharing` | one stream for all tabs: another source of frames, and other askers |
//!
//! What happens to them together is told in steps. No file calls one above it in this list:
//!
//! | step | does |
//! |---|---|
//! | `following` | what the tab that leads says |
//! | `members` | what tabs that follow ask |
//! | `application`, `locks` | what the application, the page and the browser's locks want |
//! | `waking` | time |
//! | `answers` | answers to requests |
//! | `stream` | what the stream says |
//! | `relaying` | what is handed on to the tabs that follow |
//! | `calling` | what is asked for on an open stream |
//! | `failing` | a stream that fails or ends, and doubt |
//! | `opening` | opening a stream |
//! | `core` | the owners together, and what every step does |
//!
//! Beside them: `input` and `action`, what goes in and what comes out; `out`, where actions are gathered; `address`, URLs and bodies;
//! `latency`, how long events take to their handlers; `config`, how a session behaves, and who it is.
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

pub use self::core::Session;
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
