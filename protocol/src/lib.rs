//! The wire protocol of Tidings, for server and client: parsed types, and their encoding. It does no I/O and has no
//! async code and no clock; it builds natively and for `wasm32-unknown-unknown`.
//!
//! | module | holds |
//! |---|---|
//! | [`channel`] | [`Channel`], [`Pattern`] and how they match; [`segment`] to put a foreign id into a channel |
//! | [`id`] | [`UserId`], [`DeviceId`], [`SessionId`]: opaque ids, validated once |
//! | [`cursor`] | [`Cursor`]: a position in a log, as clients store it |
//! | [`event`] | the event, as an application publishes it and as a stream carries it |
//! | [`frame`] | the control frames of a stream: `connected`, `subscribed`, `gap`, `heartbeat`, `closing`, … |
//! | [`command`] | the bodies and answers of the POST calls (feature `serde`) |
//! | [`problem`] | error bodies, RFC 9457 (feature `serde`) |
//! | [`sse`] | Server-Sent Events: an encoder, and an incremental decoder that follows the WHATWG rules |
//!
//! The protocol itself is specified in [`specification`], for those who write a client or a server in another language.
//! [`specification`] specifies the protocol, for authors of a client or a server in another language.
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
//! `serde` (on by default): JSON of events, frames, commands and problems. The browser build leaves it out, because the
//! browser's own `JSON.parse` is both smaller and faster.
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))] // shows on docs.rs which feature an item needs

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

/// The edition of the protocol that this crate speaks. Another number is an incompatible protocol; additions within an
/// edition are optional to understand.
pub const EDITION: u32 = 2;

pub use channel::{Channel, ChannelError, Pattern, segment};
pub use cursor::{Cursor, CursorError};
pub use event::{Addressee, Except, Source};
pub use id::{ConnectionId, DeviceId, EventType, IdError, Key, RequestId, SessionId, UserId};
