//! How a session behaves, and who it is to the server.

use super::Access;
use crate::backoff::Backoff;

/// How a session behaves. All times in milliseconds.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the server's router is mounted; its query is kept.
    pub url: String,
    /// A cursor to begin from, from a server-rendered page: what the first channels carried after it is heard. Defaults
    /// to none.
    pub since: Option<String>,
    /// How failed connections are tried again; `None`: not at all. Defaults to [`Backoff::default`].
    pub reconnect: Option<Backoff>,
    /// Close the connection this long after the last handler left. Defaults to never.
    pub idle_ms: Option<u64>,
    /// How streams say whose they are. Defaults to [`Access::Ambient`].
    pub access: Access,
    /// Whether the server's origin is another than the page's, so that CORS may stand between the two. Defaults to no.
    pub cross_origin: bool,
    /// One stream for all tabs of this browser that have the same URL, credentials mode, device and user. Defaults to
    /// `false`, because it takes a driver that can lock and post.
    pub share: bool,
    /// The share of streams that report to the server how long events took, of 2³². Defaults to 0, none; 2³² is all.
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

/// Who the session is to the server, beside its credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The browser profile.
    pub device_id: String,
    /// The tab.
    pub session_id: String,
}
