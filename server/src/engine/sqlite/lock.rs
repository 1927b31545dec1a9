//! Exclusive use of a log, and how far the log was acknowledged: the file beside the database.
//!
//! SQLite's own exclusive mode would keep readers out as well, and inspecting the log with any SQLite tool while the
//! hub runs is one of the reasons for this format. Hence a lock of our own, which only engines take: an advisory lock
//! on a file beside the database. The system releases it when the process ends, however it ends; the file stays.
//!
//! On Unix the lock belongs to the open file, which a child process shares between `fork` and `exec`: closing the file
//! does not release the lock while the program is starting another one. Therefore [`Lock`] releases it explicitly when
//! it is dropped (flock(2): "an explicit `LOCK_UN` operation on any of these duplicate file descriptors").
//!
//! The file holds the position of the last acknowledged record, written after each commit, without an fsync. It is
//! therefore never ahead of the fsynced records, and behind them by one transaction after `kill -9`, and by a few after
//! a power failure. A log that ends before this position has lost acknowledged records: its write-ahead log was damaged
//! or removed, its last page was damaged, or an older copy was put in its place. Without this file nobody could notice,
//! because a log cannot say by itself that more should follow.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

use super::{
    base::Mark,
    error::{OpenError, OpenErrorKind},
    files::beside,
    row::checksum,
};

/// The magic bytes of the file: "TdAck", version 1.
const MAGIC: [u8; 8] = *b"TdAck\0\0\x01";
/// Magic, epoch, number, tag, bytes, checksum.
const LENGTH: usize = 8 + 4 + 8 + 4 + 8 + 4;

/// The lock, held as long as the engine has the log open.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

#[cfg(unix)]
impl Drop for Lock {
    fn drop(&mut self) {
        // A failure leaves the lock to the closing of the file.
        let _ = rustix::fs::flock(&self.file, rustix::fs::FlockOperation::Unlock);
    }
}

impl Lock {
    /// Takes the lock at once, or fails.
    pub(super) fn take(database: &Path) -> Result<Self, OpenError> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true);
        match exclusive(&options, &beside(database, "-lock")) {
            Ok(Some(file)) => Ok(Self { file }),
            Ok(None) => Err(OpenError::new(OpenErrorKind::Locked, database, None)),
            Err(error) => Err(OpenError::io(database, error)),
        }
    }

    /// The last acknowledged record of the log with this epoch; `None` where it is unknown.
    pub(super) fn acknowledged(&mut self, epoch: u32) -> Option<Mark> {
        let mut bytes = [0; LENGTH];
        self.file.seek(SeekFrom::Start(0)).ok()?;
        self.file.read_exact(&mut bytes).ok()?;
        let (mark, of) = decode(&bytes)?;
        (of == epoch).then_some(mark)
    }

    /// Records that everything up to here is acknowledged.
    pub(super) fn acknowledge(&mut self, epoch: u32, mark: Mark) -> io::Result<()> {
        let bytes = encode(epoch, mark);
        #[cfg(unix)]
        {
            std::os::unix::fs::FileExt::write_all_at(&self.file, &bytes, 0)
        }
        #[cfg(not(unix))]
        {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&bytes)
        }
    }
}

/// The file, locked; `None` where another process has the lock. (`File::try_lock` does the same, but only from Rust
/// 1.89 on.)
#[cfg(unix)]
fn exclusive(options: &OpenOptions, path: &Path) -> io::Result<Option<File>> {
    use rustix::{
        fs::{FlockOperation, flock},
        io::Errno,
    };
    let file = options.open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The file, opened exclusively; `None` where another process has it open.
#[cfg(windows)]
fn exclusive(options: &OpenOptions, path: &Path) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt;
    const ERROR_SHARING_VIOLATION: i32 = 32;
    match options.clone().share_mode(0).open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.raw_os_error() == Some(ERROR_SHARING_VIOLATION) => Ok(None),
        Err(error) => Err(error),
    }
}

fn encode(epoch: u32, Mark { seq, tag, bytes }: Mark) -> [u8; LENGTH] {
    let mut encoded = [0; LENGTH];
    let mut rest = &mut encoded[..];
    let mut put = |part: &[u8]| rest.write_all(part);
    // Writing to a slice that is large enough cannot fail.
    let _ = put(&MAGIC).and_then(|()| put(&epoch.to_le_bytes())).and_then(|()| put(&seq.to_le_bytes()));
    let _ = put(&tag.to_le_bytes()).and_then(|()| put(&bytes.to_le_bytes()));
    let (covered, sum) = encoded.split_at_mut(LENGTH - 4);
    sum.copy_from_slice(&checksum(covered).to_le_bytes());
    encoded
}

fn decode(bytes: &[u8; LENGTH]) -> Option<(Mark, u32)> {
    let (covered, sum) = bytes.split_last_chunk::<4>()?;
    let (magic, rest) = covered.split_first_chunk::<8>()?;
    let (epoch, rest) = rest.split_first_chunk::<4>()?;
    let (seq, rest) = rest.split_first_chunk::<8>()?;
    let (tag, rest) = rest.split_first_chunk::<4>()?;
    let bytes = rest.first_chunk::<8>()?;
    let sound = *magic == MAGIC && checksum(covered) == u32::from_le_bytes(*sum);
    let mark = Mark { seq: u64::from_le_bytes(*seq), tag: u32::from_le_bytes(*tag), bytes: u64::from_le_bytes(*bytes) };
    sound.then_some((mark, u32::from_le_bytes(*epoch)))
}

/// The canonical path of a file that may be reached by several paths (relative, through links), so that all of them
/// mean one lock.
pub(super) fn resolve(path: &Path) -> io::Result<std::path::PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok(parent.canonicalize()?.join(name))
        }
        resolved => resolved,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_again_and_any_changed_byte_makes_it_unknown() {
        let mark = Mark { seq: 7, tag: 9, bytes: 1 << 40 };
        let bytes = encode(5, mark);
        assert_eq!(decode(&bytes), Some((mark, 5)));
        for at in 0..LENGTH {
            let mut changed = bytes;
            changed[at] ^= 0x10;
            assert_eq!(decode(&changed), None, "byte {at}");
        }
    }
}
