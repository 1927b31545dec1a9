//! The hub over HTTP: the routes, and a server that suits them.
//!
//! | path | module |
//! |---|---|
//! | `GET /` | `stream`: opens a stream |
//! | `POST /subscribe`, `/unsubscribe` | `command`: channels of a live stream |
//! | `POST /publish` | `publish`, where mounted |
//! | `POST /refresh` | `refresh`: fresh credentials for a live stream |
//! | `POST /ticket` | `ticket`, where mounted: a single-use text that opens a stream |
//! | `GET /presence`, `POST /presence` | `presence`, where the hub has it: who is online |
//! | `POST /alive` | `presence`: somebody reads the stream |
//! | `POST /latency` | `latency`, where mounted: what clients have measured |
//! | `GET /check` | `routes`: authentication and limits only |
//!
//! Each of them lets callers in by `gate`, and reads what they bring by `read` and `body`. What all of them refuse stands in `guard`. What callers may use up is in `limits`, where they come from
//! in `address`, and what pages of other origins may in `cors`. `idempotency` is a layer for the application's own handlers.

mod address;
mod admission;
mod body;
mod command;
mod cors;
mod forward;
mod gate;
mod guard;
mod idempotency;
mod latency;
mod limits;
mod poll;
mod presence;
pub(crate) mod problem;
mod publish;
mod rates;
mod read;
mod refresh;
mod routes;
mod serve;
mod stream;
mod ticket;
mod turns;

pub use address::ClientAddress;
pub use cors::{Cors, OriginError, check_origin};
pub use idempotency::{Idempotency, IdempotencyKey, Idempotent};
pub use limits::Limits;
pub use rates::Rate;
pub use routes::{Routes, routes};
pub use serve::{Serve, serve};
