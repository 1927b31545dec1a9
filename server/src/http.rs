//! The hub over HTTP: its routes, and a server made for streams.
//!
//! | path | module |
//! |---|---|
//! | `GET /` | `stream`: opens a stream |
//! | `POST /subscribe`, `/unsubscribe` | `command`: channels of a live stream |
//! | `POST /publish` | `publish`, where mounted |
//! | `POST /refresh` | `refresh`: replaces the credentials of a live stream |
//! | `POST /ticket` | `ticket`, where mounted: issues a single-use ticket that opens a stream |
//! | `GET /presence`, `POST /presence` | `presence`, where the hub has presence: who is online |
//! | `POST /alive` | `presence`: reports that a client reads the stream |
//! | `POST /latency` | `latency`, where mounted: takes the delivery times that clients measured |
//! | `GET /check` | `routes`: checks authentication and limits only |
//!
//! Every route authenticates and authorizes its caller through `gate`, and reads the request through `read` and `body`.
//! `guard` refuses what no route accepts. `limits` bounds what a caller may use, `address` finds the client's address,
//! and `cors` decides about pages of other origins. `idempotency` is a layer for the application's own handlers.

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
