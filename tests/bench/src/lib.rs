//! Tidings beside its peers, in the same minutes on the same machine: a load generator, a runner, and the small servers that
//! stand for the peers. `cargo xtask bench` builds and runs it; `BENCHMARKS.md` says what the figures mean.
//!
//! - `peer`: who is measured, how each is started and spoken to
//! - `process`: a server of its own process group, ended with its owner; its processor time and memory
//! - `payload`: what is published: JSON that says when it was due
//! - `reader`: one response as it comes in, and the marks of the payloads in it
//! - `swarm`: thousands of streams on one epoll
//! - `publisher`: POSTs at a rate, and how long each took to be acknowledged
//! - `scenario`: events at a rate in several shapes; idle, storm, comeback, resume
//! - `faults`: the same faults to every peer: what was acknowledged and never heard
//! - `soak`: everything at once for an hour, and what the server holds meanwhile; a program of its own
//! - `report`, `chart`: the table, the figures as JSON, the picture
//!
//! The peers that are no servers of their own are the programs `bench-axum` and `bench-floor` and `better-sse/server.mjs`.

pub mod chart;
pub mod faults;
pub mod machine;
pub mod payload;
pub mod peer;
pub mod process;
pub mod publisher;
pub mod reader;
pub mod report;
pub mod scenario;
pub mod soak;
pub mod swarm;
