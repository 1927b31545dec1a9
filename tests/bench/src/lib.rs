//! Tidings compared with its peers, in the same minutes on the same machine: a load generator, a runner, and the small
//! servers that stand for some peers. `cargo xtask bench` builds and runs it; `BENCHMARKS.md` explains the figures.
//!
//! - `peer`: the servers that are measured, and how each is started and spoken to
//! - `process`: a server in its own process group, ended with its owner; its processor time and memory
//! - `payload`: the published JSON, which contains the time at which it was due
//! - `reader`: one response as it arrives, and the stamps of the payloads in it
//! - `swarm`: thousands of streams on one epoll
//! - `publisher`: POSTs at a rate, and how long each took to be acknowledged
//! - `scenario`: events at a rate in several shapes; idle, storm, comeback, resume
//! - `faults`: the same faults for every peer, and the acknowledged events that were lost
//! - `soak`: everything at once for an hour, and the server's memory meanwhile; a program of its own
//! - `report`, `aims`, `chart`, `document`: the table and the JSON, the aims beside what was reached, the chart, BENCHMARKS.md
//!
//! The peers that are not products are the programs `bench-axum`, `bench-floor` and `better-sse/server.mjs`.

pub mod aims;
pub mod chart;
pub mod document;
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
