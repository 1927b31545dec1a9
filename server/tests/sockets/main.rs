//! The crate from outside: real sockets, a real HTTP client, and the protocol's own decoder.
//!
//! | module | behaviour |
//! |---|---|
//! | `access` | who may receive, publish and watch which channel, while everything happens at once |
//! | `stream` | how a stream begins, and that both servers carry it |
//! | `audience` | the receivers of an event: channels, patterns, users, devices |
//! | `cluster` | answers gathered from all hubs of a log |
//! | `cross_site` | pages of other origins: what they may read and command |
//! | `exclusion` | hiding an event from the tab or device that caused it |
//! | `gone` | vanished clients, and clients that only seem so |
//! | `grants` | which channels a user may receive |
//! | `credentials` | authentication by tickets, tokens, or an endpoint; and that no credential is ever shown |
//! | `heartbeat` | what an idle stream writes |
//! | `idle` | connections that wait for a request |
//! | `subscribe` | channels of a live stream |
//! | `resume` | cursors: resumed from, or answered by a gap |
//! | `resting` | streams that have no task of their own |
//! | `takeover` | a stream that has its socket for itself |
//! | `tls` | a server with TLS |
//! | `slow_reader` | a client that does not read |
//! | `online` | who is online, and draining |
//! | `presence` | who is online on a channel, who joins and who leaves |
//! | `presence_cluster` | who is online at several hubs of one log |
//! | `cancelled` | publishes whose caller was cancelled |
//! | `publish` | `POST /publish` |
//! | `limits` | the limits on what a caller may use |
//! | `listeners` | other listeners than TCP's, and the age of connections |
//! | `living` | which streams are ended at a limit |
//! | `latency` | the delivery times that clients measured |
//! | `revoke` | access that is revoked from a listening user, and stays revoked |
//! | `refresh` | streams whose credentials expire, and fresh ones for them |
//! | `refusals` | bad input of every kind, which affects no other stream |
//! | `heads` | request heads that no HTTP library would send |
//! | `forgery` | texts that could be taken for frames |
//!
//! Nothing sleeps. A test shows that something is *not* sent by what is sent after it.

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
mod presence_cluster;
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
