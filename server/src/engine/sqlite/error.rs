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

/// What kept a log from being opened. None of them changes the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// Another engine, of this process or of another one, has it open, or somebody holds SQLite's own lock on it.
    Locked,
    /// It is no SQLite database, or the database of another application.
    Foreign,
    /// A newer version of Tidings has written it.
    Newer,
    /// An older version of Tidings has written it, from before the first that was published.
    Older,
    /// It is a log, but damaged.
    Corrupt,
    /// The file or its directory cannot be read or written, or the disk is full.
    Io,
}

/// Whether SQLite found the file not to be what it wrote, or the disk says that it cannot read a part of it any more (a bad sector:
/// `EIO`); and not a disk or a lock that hinders it for a while.
pub(super) fn is_corrupt(error: &rusqlite::Error) -> bool {
    let is_bad_sector = |error: &rusqlite::ffi::Error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_CORRUPTFS;
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || error.sqlite_error().is_some_and(is_bad_sector)
}

/// The condition of a database that is not what was written.
pub(super) const CORRUPT: &str = "corrupt";

/// What hinders, as far as log lines are counted by it.
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

/// What SQLite would say of damage that it did not find, but we did.
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
                // A statement of ours that does not fit the tables (`Unknown`, SQLite's code 1) is a damaged schema.
                ErrorCode::DatabaseCorrupt | ErrorCode::Unknown => OpenErrorKind::Corrupt,
                _ => OpenErrorKind::Io,
            },
            // A row that is missing or not what we wrote.
            _ => OpenErrorKind::Corrupt,
        };
        Self::new(kind, path, Source::from(source))
    }

    /// What kept the log from being opened.
    #[must_use]
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// The file.
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
