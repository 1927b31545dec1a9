//! Whether the files that SQLite writes to are still those that their names lead to.
//!
//! SQLite continues to write to a file that was unlinked or replaced, and everything it writes there is gone with the
//! process. So the names are checked before each transaction. A check costs a microsecond, a tenth of a small
//! transaction on a fast disk, so it is not repeated within a millisecond: a record acknowledged in that time is lost
//! just like one acknowledged right before the file was removed.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a check of the names stays valid.
const GLANCE: Duration = Duration::from_millis(1);

/// The file that a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
}

impl Identity {
    fn of(metadata: &fs::Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self { device: metadata.dev(), inode: metadata.ino() }
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Self {}
        }
    }
}

/// What happened to a file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Astray {
    #[error("{0} has been removed")]
    Removed(PathBuf),
    #[error("another file has been put in place of {0}")]
    Replaced(PathBuf),
    #[error("{path} has been truncated from {from} bytes to {to}")]
    Truncated { path: PathBuf, from: u64, to: u64 },
    #[error("{0} cannot be looked at")]
    Io(PathBuf, #[source] io::Error),
}

/// The database and its write-ahead log, as they were at the last check.
#[derive(Debug)]
pub(super) struct Files {
    database: Watched,
    ahead: Watched,
    /// When the last successful check was made.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Watched {
    path: PathBuf,
    /// `None` until the file exists.
    known: Option<Identity>,
    /// The most bytes that the file was seen to have.
    bytes: u64,
}

/// The path of a file that SQLite keeps beside the database.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(suffix);
    name.into()
}

impl Files {
    /// The files of this database, which is open.
    pub(super) fn new(database: &Path) -> Self {
        let watched = |path| Watched { path, known: None, bytes: 0 };
        let mut files =
            Self { database: watched(database.to_owned()), ahead: watched(beside(database, "-wal")), looked: None };
        // An error of this check is found again by the first transaction.
        let _ = files.check();
        files
    }

    /// Makes the next check read the names again.
    pub(super) fn forget_look(&mut self) {
        self.looked = None;
    }

    /// Checks that SQLite still writes to the files that the names lead to.
    pub(super) fn check(&mut self) -> Result<(), Astray> {
        if self.looked.is_some_and(|looked| looked.elapsed() < GLANCE) {
            return Ok(());
        }
        self.looked = None;
        self.database.check(true)?;
        // SQLite creates it with the first transaction, and truncates it when it starts over.
        self.ahead.check(false)?;
        self.looked = Some(Instant::now());
        Ok(())
    }
}

impl Watched {
    fn check(&mut self, only_grows: bool) -> Result<(), Astray> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return if self.known.is_some() || only_grows {
                    Err(Astray::Removed(self.path.clone()))
                } else {
                    Ok(())
                };
            }
            Err(error) => return Err(Astray::Io(self.path.clone(), error)),
        };
        let now = Identity::of(&metadata);
        if *self.known.get_or_insert(now) != now {
            return Err(Astray::Replaced(self.path.clone()));
        }
        if only_grows {
            if metadata.len() < self.bytes {
                return Err(Astray::Truncated { path: self.path.clone(), from: self.bytes, to: metadata.len() });
            }
            self.bytes = metadata.len();
        }
        Ok(())
    }
}
