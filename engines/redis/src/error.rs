//! Why a log could not be opened.

use std::{error::Error, fmt};

use tidings::engine::Source;

/// Why a log could not be opened: a [`kind`](Self::kind) to match on, and a source to read. No message contains the
/// password.
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    source: Option<Source>,
}

/// The reason why a log could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The URL or the name of the log is not valid.
    Settings,
    /// The server cannot be reached, or its certificate is not trusted.
    Unreachable,
    /// The server refuses this user, or does not allow the user to run the commands that the log needs.
    Denied,
    /// The server is a replica, which cannot be written to.
    ReadOnly,
    /// The server evicts keys when its memory is full (`maxmemory-policy` is not `noeviction`), which would silently
    /// remove parts of the log.
    Evicts,
    /// The server is a node of a Redis Cluster, which this engine does not support.
    Cluster,
    /// A newer version of Tidings created the log.
    Newer,
    /// The server answered with an error.
    Server,
}

impl OpenError {
    pub(crate) fn new(kind: OpenErrorKind, source: impl Into<Option<Source>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The error for a command that failed while the log was opened.
    pub(crate) fn server(error: redis::RedisError) -> Self {
        let kind = match error.code() {
            Some("NOAUTH" | "WRONGPASS" | "NOPERM") => OpenErrorKind::Denied,
            Some("READONLY") => OpenErrorKind::ReadOnly,
            _ if error.kind() == redis::ErrorKind::AuthenticationFailed => OpenErrorKind::Denied,
            _ if error.kind() == redis::ErrorKind::InvalidClientConfig => OpenErrorKind::Settings,
            _ if error.is_io_error() || error.is_connection_dropped() || error.is_timeout() => {
                OpenErrorKind::Unreachable
            }
            _ => OpenErrorKind::Server,
        };
        Self::new(kind, Source::from(error))
    }

    /// The reason why the log could not be opened.
    #[must_use]
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::Settings => "the settings of the log in Redis are not valid",
            OpenErrorKind::Unreachable => "the Redis server cannot be reached",
            OpenErrorKind::Denied => "the Redis server does not allow this user to use the log",
            OpenErrorKind::ReadOnly => "the Redis server is a replica, which cannot be written to; name the primary",
            OpenErrorKind::Evicts => {
                "the Redis server evicts keys when its memory is full; set maxmemory-policy to noeviction"
            }
            OpenErrorKind::Cluster => {
                "the Redis server is a node of a Redis Cluster, which is not supported; use a server outside a cluster"
            }
            OpenErrorKind::Newer => "a newer version of Tidings created the log in Redis; update this one",
            OpenErrorKind::Server => "the Redis server answered with an error",
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
