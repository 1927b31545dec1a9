//! The wire protocol of Tidings, for both halves of it: parsed types, and the encoding of them. No I/O, no async, no
//! clock; it builds natively and for `wasm32-unknown-unknown`.
//!
//! | module | holds |
//! |---|---|
//! | [`channel`] | [`Channel`], [`Pattern`] and how they match; [`segment`] to bring a foreign id into a channel |
//! | [`id`] | [`UserId`], [`DeviceId`], [`SessionId`]: opaque names, checked once |
//! | [`cursor`] | [`Cursor`]: a position in a log, as clients carry it |
//! | [`event`] | the event as the application publishes it and as a stream carries it |
//! | [`frame`] | the control frames of a stream: `connected`, `subscribed`, `gap`, `heartbeat`, `closing`, … |
//! | [`command`] | bodies and answers of the POST calls (feature `serde`) |
//! | [`problem`] | error bodies, RFC 9457 (feature `serde`) |
//! | [`sse`] | Server-Sent Events: an encoder, and an incremental decoder that follows the WHATWG rules |
//!
//! The protocol itself is specified in [`specification`], for those who write a client or a server in another language.
//!
//! # Example
//!
//! ```
//! use tidings_protocol::{Channel, Pattern, segment};
//!
//! let channel: Channel = format!("chat:room:{}", segment("r/42")).parse()?;
//! assert_eq!(channel.as_str(), "chat:room:r%2F42");
//!
//! let rooms: Pattern = "chat:room:*".parse()?;
//! assert!(rooms.overlaps(&channel.into()));
//! # Ok::<(), tidings_protocol::ChannelError>(())
//! ```
//!
//! # Features
//!
//! `serde` (on by default): JSON of events, frames, commands and problems. The browser build leaves it out, where
//! the browser's own `JSON.parse` is both smaller and faster.
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))] // says of each item which feature it needs

pub mod channel;
#[cfg(feature = "serde")]
pub mod command;
pub mod cursor;
pub mod event;
pub mod frame;
pub mod id;
#[cfg(feature = "serde")]
pub mod problem;
#[doc = include_str!("../README.md")]
pub mod specification {}
pub mod sse;

/// The edition of the protocol that this crate speaks. Another number is another protocol: what is added to one is optional to understand.
pub const EDITION: u32 = 2;

pub use channel::{Channel, ChannelError, Pattern, segment};
pub use cursor::{Cursor, CursorError};
pub use event::{Addressee, Except, Source};
pub use id::{ConnectionId, DeviceId, EventType, IdError, Key, RequestId, SessionId, UserId};
