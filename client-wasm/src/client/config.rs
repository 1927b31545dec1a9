//! The core's settings, and its identity towards the server.

use super::Access;
use crate::backoff::Backoff;

/// The settings of a client. All times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Config {
    /// The URL at which the server's router is mounted; its query is kept.
    pub url: String,
    /// A cursor at which to begin, from a server-rendered page: the first channels receive the events after it.
    /// Defaults to none.
    pub since: Option<String>,
    /// How failed connections are retried; `None` disables retries. Defaults to [`Backoff::default`].
    pub reconnect: Option<Backoff>,
    /// How long after the last handler left the connection is closed. Defaults to never.
    pub idle_ms: Option<u64>,
    /// How streams are authenticated. Defaults to [`Access::Ambient`].
    pub access: Access,
    /// Whether the server's origin differs from the page's, so that CORS may hide its answers. Defaults to no.
    pub cross_origin: bool,
    /// Shares one stream between all tabs of this browser that have the same URL, credentials mode, device and user.
    /// Defaults to `false`, because it needs a driver with locks and a channel.
    pub share: bool,
    /// The share of streams that report to the server how long events took, as a part of 2³². Defaults to 0, which
    /// means none; 2³² means all.
    pub latency: u64,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            since: None,
            reconnect: Some(Backoff::default()),
            idle_ms: None,
            access: Access::Ambient,
            cross_origin: false,
            share: false,
            latency: 0,
        }
    }
}

/// The core's identity towards the server, beside its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the browser profile.
    pub device_id: String,
    /// The id of the tab.
    pub session_id: String,
}
