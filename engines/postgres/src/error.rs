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
    /// The URL, the name of the schema or a certificate file is not valid.
    Settings,
    /// The server cannot be reached, or its certificate is not trusted.
    Unreachable,
    /// The server refuses this user, or does not allow the user to create or use the tables.
    Denied,
    /// Only a standby was found, which cannot be written to.
    ReadOnly,
    /// A pooler that does not keep sessions (PgBouncer's transaction mode) is between the hub and the server.
    Pooler,
    /// The server runs with `fsync = off`: an acknowledged record would not survive a crash.
    NotDurable,
    /// The schema holds tables of another application.
    Foreign,
    /// A newer version of Tidings created the schema.
    Newer,
    /// The server answered with an error.
    Server,
}

impl OpenError {
    pub(crate) fn new(kind: OpenErrorKind, source: impl Into<Option<Source>>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The error for a statement that failed while the log was opened.
    pub(crate) fn server(error: tokio_postgres::Error) -> Self {
        let kind = match error.code().map(tokio_postgres::error::SqlState::code) {
            // The classes "invalid authorization" and "insufficient privilege", and "no such database".
            Some(code) if code.starts_with("28") || code == "42501" || code == "3D000" => OpenErrorKind::Denied,
            Some("25006") => OpenErrorKind::ReadOnly,
            Some(_) => OpenErrorKind::Server,
            // tokio-postgres reports in this way that none of the hosts can be written to.
            None if is_forbidden(&error) => OpenErrorKind::ReadOnly,
            None => OpenErrorKind::Unreachable,
        };
        Self::new(kind, Source::from(error))
    }

    /// The reason why the log could not be opened.
    #[must_use]
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }
}

fn is_forbidden(error: &tokio_postgres::Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::PermissionDenied)
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            OpenErrorKind::Settings => "the settings of the log in PostgreSQL are not valid",
            OpenErrorKind::Unreachable => "the PostgreSQL server cannot be reached",
            OpenErrorKind::Denied => "the PostgreSQL server does not allow this user to use the database",
            OpenErrorKind::ReadOnly => "the PostgreSQL server is a standby, which cannot be written to; name the primary",
            OpenErrorKind::Pooler => {
                "a pooler in transaction mode is in front of the PostgreSQL server; the log needs sessions for LISTEN, so connect directly or in session mode"
            }
            OpenErrorKind::NotDurable => {
                "the PostgreSQL server runs with fsync = off, so acknowledged records are not safe; switch it on"
            }
            OpenErrorKind::Foreign => "the schema holds tables of another application; choose another schema",
            OpenErrorKind::Newer => "a newer version of Tidings created the log in PostgreSQL; update this one",
            OpenErrorKind::Server => "the PostgreSQL server answered with an error",
        })
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
