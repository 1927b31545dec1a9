//! The crate from outside: real sockets, a real HTTP client, and the protocol's own decoder.
//!
//! | module | behaviour |
//! |---|---|
//! | `access` | who may receive, publish and watch what, while everything happens at once |
//! | `stream` | how a stream begins, and that both servers carry it |
//! | `audience` | who gets an event: channels, patterns, users, devices |
//! | `cluster` | what is true of all hubs of a log |
//! | `cross_site` | pages of other origins: what they may read, and command |
//! | `exclusion` | from whom it is hidden |
//! | `gone` | peers that take nothing or have vanished, and who is not gone; what is read of whom |
//! | `grants` | who may hear what |
//! | `credentials` | ways in: tickets, tokens, an endpoint that is asked; and that none of them is ever shown |
//! | `heartbeat` | what a quiet stream says |
//! | `idle` | connections that wait for a request |
//! | `subscribe` | channels of a live stream |
//! | `resume` | cursors: gone on with, or told as gaps |
//! | `resting` | streams that have no task of their own |
//! | `takeover` | a stream that has its socket for itself |
//! | `tls` | a server with TLS |
//! | `slow_reader` | a client that does not read |
//! | `online` | who is online, and draining |
//! | `presence` | who is there, who comes and who goes |
//! | `cancelled` | publishes whose caller went away |
//! | `publish` | `POST /publish` |
//! | `limits` | what a caller may use up |
//! | `listeners` | other listeners than those of TCP, and how long connections live |
//! | `living` | who gives place to whom at a limit |
//! | `latency` | what clients have measured |
//! | `revoke` | what is taken away while somebody listens, and stays away |
//! | `refresh` | streams whose credentials end, and fresh ones for them |
//! | `refusals` | bad input of every kind, and that nobody else notices |
//! | `heads` | request heads that no HTTP library would send |
//! | `forgery` | texts that would like to be frames |
//!
//! Nothing sleeps. That something is *not* sent is shown by what is sent after it.

mod access;
mod audience;
mod cancelled;
mod cluster;
mod credentials;
mod cross_site;
mod exclusion;
mod fixture;
mod forgery;
mod forward;
mod gone;
mod grants;
mod heads;
mod heartbeat;
mod idle;
mod latency;
mod limits;
mod listeners;
mod living;
mod online;
mod poll;
mod presence;
mod publish;
mod refresh;
mod refusals;
mod resting;
mod resume;
mod revoke;
mod slow_reader;
mod stream;
mod subscribe;
mod takeover;
mod tls;
