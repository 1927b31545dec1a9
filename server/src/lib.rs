//! Tidings pushes changes from a backend to every open browser, over Server-Sent Events: **lossless, or told.** Every
//! acknowledged publish reaches every authorised subscriber exactly once, in order, across reconnects; where that is
//! impossible the subscriber receives `gap` and refetches.
//!
//! ```no_run
//! use axum::{Router, extract::State, routing::post};
//! use tidings::{Event, Hub, Origin, PublishError, UserId, auth::{Auth, AuthError, AuthRequest, Identity}};
//!
//! # async fn session_user(request: &AuthRequest) -> Option<String> { None }
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let hub = Hub::builder().build().await?;
//!
//!     // Authentication is any async closure over the request. In a grant, `{user}` is the user's own id.
//!     let auth = |request: AuthRequest| async move {
//!         Identity::user(session_user(&request).await.ok_or(AuthError::Missing)?)
//!     };
//!     let auth = auth.allow("timer:{user}")?;
//!
//!     let app = Router::new()
//!         .route("/api/timers", post(start_timer))
//!         .with_state(hub.clone())
//!         .nest("/api/events", tidings::routes(hub, auth));
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:4000").await?;
//!     tidings::serve(listener, app).await?; // or axum::serve: the same router
//!     Ok(())
//! }
//!
//! async fn start_timer(State(hub): State<Hub>, origin: Origin) -> Result<(), PublishError> {
//!     let ana = UserId::new("ana")?; // the user whom your own authentication let in
//!     // … write to the database first, then:
//!     let origin = origin.of(&ana);
//!     let event = Event::new("timer", "started", "tea")?.caused_by(&origin).except(&origin);
//!     hub.to_user(&ana).publish(event).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Map
//!
//! An event passes through the modules in this order:
//!
//! | | module | does |
//! |---|---|---|
//! | 1 | [`Event`], `publish` | checks the event and appends it to the engine's log |
//! | 2 | [`engine`] | stores, orders and acknowledges it |
//! | 3 | `hub` | reads the engine's tail, the only way into the window |
//! | 4 | `window` | keeps the recent records, a `segment` of the log: each encoded once, indexed by `routing` keys |
//! | 5 | `core` | wakes the connections that look up one of the record's keys |
//! | 6 | `connection` | is a position in the log: takes the records that follow it, confirms subscriptions, reports gaps |
//! | 7 | `http` | writes a connection's frames to its response body; answers the POST calls; [`serve`] |
//!
//! Beside these modules, `access` decides who may receive, publish and watch which channels; `presence` knows who is
//! online, from the open streams; `metrics` counts.
//!
//! `window`, `routing`, `connection`, `presence` and `core` are synchronous and know no clock, socket or runtime.
//! [`auth`] identifies the caller. The terms are those of the [protocol](tidings_protocol).
#![deny(missing_docs)]
#![cfg_attr(docsrs, feature(doc_cfg))] // shows on docs.rs which feature an item needs

mod access;
pub mod auth;
mod clock;
mod complaints;
mod config;
mod connection;
mod connection_limits;
mod core;
pub mod engine;
mod event;
mod frame;
mod gathered;
mod http;
mod hub;
mod listen;
mod metrics;
mod origin;
pub mod peers;
mod presence;
mod publish;
mod query;
mod ranked;
pub mod record;
mod routing;
mod segment;
#[cfg(test)]
mod testing;
mod typed;
#[cfg(feature = "typescript")]
pub mod typescript;
mod window;

#[cfg(feature = "simulation")]
#[doc(hidden)]
pub use self::hub::simulation;
pub use self::{
    engine::Receipt,
    event::{Event, EventError},
    gathered::Gathered,
    http::{
        ClientAddress, Cors, Idempotency, IdempotencyKey, Idempotent, Limits, OriginError, Rate, Routes, Serve,
        check_origin, routes, serve,
    },
    hub::{Cluster, ConnectionInfo, Hub, HubBuilder, NodeStats},
    listen::{Listener, Missed, Received},
    metrics::{Stats, Timing},
    origin::{DEVICE_HEADER, Origin, SESSION_HEADER, UserOrigin},
    presence::{PresenceChange, PresenceError, PresenceSettings, PresenceWatch},
    publish::{Invalid, PublishError, Published, To},
    typed::Typed,
};
pub use tidings_protocol::{
    Channel, ChannelError, ConnectionId, Cursor, DeviceId, EventType, Except, IdError, Key, Pattern, SessionId, Source,
    UserId,
    frame::{GapReason, Member},
    segment,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(doctest)]
mod docs {
    macro_rules! pages {
        ($($name:ident $path:literal,)*) => {$(
            #[doc = include_str!(concat!("../docs/", $path))]
            struct $name;
        )*};
    }
    pages! {
        Types "types.md",
        Presence "presence.md",
        Auth "auth.md",
        Engines "engines.md",
        Observing "observing.md",
        Limits "limits.md",
        Serving "serving.md",
    }
}
