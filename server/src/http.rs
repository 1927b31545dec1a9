//! The hub over HTTP: the routes, and a server that suits them.
//!
//! | path | module |
//! |---|---|
//! | `GET /` | `stream`: opens a stream |
//! | `POST /subscribe`, `/unsubscribe` | `command`: channels of a live stream |
//! | `POST /publish` | `publish`, where mounted |
//! | `POST /ticket` | `ticket`, where mounted: a single-use text that opens a stream |
//! | `GET /check` | `routes`: authentication only |

mod body;
mod command;
pub(crate) mod problem;
mod publish;
mod routes;
mod serve;
mod stream;
mod ticket;

pub use routes::{Routes, routes};
pub use serve::{Serve, serve};
