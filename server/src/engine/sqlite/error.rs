//! Why a file could not be opened.

use std::{
    error::Error,
    fmt, io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

use crate::engine::Source;

/// Why a log could not be opened: a [`kind`](Self::kind) to match on, the file, and a source to read.
#[derive(Debug)]
pub struct OpenError {
    kind: OpenErrorKind,
    path: PathBuf,
    source: Option<Source>,
}

/// The reason why a log could not be opened. In no case the file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// Another engine, in this process or another one, has the file open, or another program holds SQLite's own lock on
    /// it.
    Locked,
    /// The file is not an SQLite database, or is the database of another application.
    Foreign,
    /// A newer version of Tidings wrote the file.
    Newer,
    /// A pre-release version of Tidings wrote the file.
    Older,
    /// The file is a log, but it is damaged.
    Corrupt,
    /// The file or its directory cannot be read or written, or the disk is full.
    Io,
}

/// Whether SQLite found damage in the file, or the disk reports that it cannot read a part of it any more (a bad
/// sector: `EIO`). A disk or a lock that fails temporarily is not damage.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    let is_bad_sector = |error: &rusqlite::ffi::Error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_CORRUPTFS;
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || error.sqlite_error().is_some_and(is_bad_sector)
}

/// The condition of a damaged database, for rate-limited log lines.
pub(super) const CORRUPT: &str = "corrupt";

/// The condition that an error belongs to, for rate-limited log lines.
pub(super) fn condition(error: &rusqlite::Error) -> &'static str {
    if is_corrupt(error) {
        return CORRUPT;
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "full",
        Some(ErrorCode::CannotOpen) => "cannot open",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "busy",
        Some(ErrorCode::SystemIoFailure) => "input or output",
        _ => "other",
    }
}

/// The error that SQLite would report for damage that the engine found itself.
pub(super) fn corrupt(what: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT), Some(what.into()))
}

impl OpenError {
    pub(super) fn new(kind: OpenErrorKind, path: &Path, source: impl Into<Option<Source>>) -> Self {
        Self { kind, path: path.to_owned(), source: source.into() }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::new(OpenErrorKind::Io, path, Source::from(source))
    }

    pub(super) fn sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let kind = match &source {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::NotADatabase => OpenErrorKind::Foreign,
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => OpenErrorKind::Locked,
                // A statement of ours that does not fit the tables (`Unknown`, SQLite's code 1) means a damaged schema.
                ErrorCode::DatabaseCorrupt | ErrorCode::Unknown => OpenErrorKind::Corrupt,
                _ => OpenErrorKind::Io,
            },
            // A row is missing or has another content than the engine writes.
            _ => OpenErrorKind::Corrupt,
        };
        Self::new(kind, path, Source::from(source))
    }

    /// The reason why the log could not be opened.
    #[must_use]
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.kind {
            OpenErrorKind::Locked => write!(f, "{path} is in use by another process or engine"),
            OpenErrorKind::Foreign => write!(f, "{path} is not a log of Tidings"),
            OpenErrorKind::Older => {
                write!(f, "{path} was written by an older version of Tidings, whose files are not read")
            }
            OpenErrorKind::Newer => write!(f, "{path} was written by a newer version of Tidings"),
            OpenErrorKind::Corrupt => write!(f, "{path} is damaged"),
            OpenErrorKind::Io => write!(f, "{path} cannot be opened"),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
