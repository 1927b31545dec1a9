#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))] // says of each item which feature it needs

pub mod backoff;
pub mod client;
pub mod routes;

#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "what JavaScript says is heard in a browser"))]
mod codec;
mod text;

#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(target_arch = "wasm32")]
mod driver;
#[cfg(all(target_arch = "wasm32", feature = "js"))]
pub mod js;
#[cfg(all(target_arch = "wasm32", feature = "typed"))]
mod typed;

#[cfg(all(target_arch = "wasm32", feature = "typed"))]
pub use typed::{Builder, Channel, Client, Event, Events, Gap, Member, Presence, Refused, Source, Subscription};
