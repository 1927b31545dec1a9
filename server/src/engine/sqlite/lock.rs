//! Exclusive use of a log.
//!
//! SQLite's own exclusive mode would keep readers out as well, and being able to look at the log with any SQLite tool while
//! the hub runs is one of the reasons for storing it so. Hence a lock of our own, which only engines take: an advisory one on a
//! file beside the database. The system releases it when the process ends, however it ends; the empty file stays.

use std::{
    ffi::OsString,
    fs::{File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::error::{OpenError, OpenErrorKind};

/// Held as long as the engine has the log open.
#[derive(Debug)]
pub(super) struct Lock {
    /// Closing it releases the lock.
    _file: File,
}

impl Lock {
    /// Takes the lock at once or not at all.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let mut name = OsString::from(database);
        name.push("-lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name));
        let file = file.map_err(|error| OpenError::io(database, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::new(OpenErrorKind::Locked, database, None)),
            Err(TryLockError::Error(error)) => Err(OpenError::io(database, error)),
        }
    }
}

/// The one name of a file that may be reached by several (relative, through links), so that all of them mean one lock.
pub(super) fn resolve(path: &Path) -> io::Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(parent.canonicalize()?.join(name))
        }
        resolved => resolved,
    }
}
