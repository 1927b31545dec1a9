//! Server-Sent Events: [`encode()`] and [`Decoder`], by the WHATWG HTML standard, section 9.2.

pub mod decode;
pub mod encode;

pub use decode::{DecodeError, Decoder, Message, RawMessage};
pub use encode::{encode, escape, retry};

/// The media type of a stream. The standard allows no other encoding, but some clients guess one if none is named.
pub const CONTENT_TYPE: &str = "text/event-stream; charset=utf-8";
