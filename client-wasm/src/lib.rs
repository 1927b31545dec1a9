//! The browser client of Tidings.
#![deny(missing_docs)]

pub mod backoff;
pub mod routes;
pub mod session;

#[cfg(target_arch = "wasm32")]
mod browser;
#[cfg(target_arch = "wasm32")]
mod driver;
#[cfg(all(target_arch = "wasm32", feature = "js"))]
mod js;

#[cfg(all(target_arch = "wasm32", feature = "js"))]
pub use js::Client;
