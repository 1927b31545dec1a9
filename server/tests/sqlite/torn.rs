//! Power failures, replayed: fsynced bytes are on the disk; of the bytes written after the last fsync, any sectors may
//! be there, in any order, or none.

use std::{fs, path::Path};

use tidings::engine::Sqlite;

use crate::log::{append, numbered, reopen};

const COMMITS: usize = 40;
const SECTOR: usize = 512;

/// The files of a log at one moment.
#[derive(Clone)]
struct Disk {
    database: Vec<u8>,
    ahead: Vec<u8>,
}

impl Disk {
    fn read(path: &Path) -> Self {
        Self { database: fs::read(path).unwrap(), ahead: fs::read(beside(path)).unwrap() }
    }

    /// Starts the machine again with these files, and nothing else. Returns the number of records.
    async fn come_up(&self, directory: &Path) -> usize {
        let path = directory.join("again.db");
        fs::write(&path, &self.database).unwrap();
        fs::write(beside(&path), &self.ahead).unwrap();
        let (engine, records) = reopen(&path).await;
        for (number, record) in records.iter().enumerate() {
            assert_eq!(record.entry.to_bytes(), numbered(number).to_bytes());
        }
        // The log accepts appends again, and knows the keys.
        let receipts = append(&engine, vec![numbered(0), numbered(records.len())]).await;
        assert_eq!((receipts[0].duplicate, receipts[0].cursor.seq), (!records.is_empty(), 1));
        drop(engine);
        records.len()
    }
}

fn beside(path: &Path) -> std::path::PathBuf {
    path.with_extension("db-wal")
}

/// `old` with a random part of the sectors that differ in `new` overwritten; and whether all of them were.
fn torn(old: &[u8], new: &[u8], random: &mut fastrand::Rng) -> (Vec<u8>, bool) {
    let mut bytes = new.to_vec();
    let mut whole = true;
    let keep = random.f64();
    for at in (0..new.len()).step_by(SECTOR) {
        let sector = at..(at + SECTOR).min(new.len());
        let before: Vec<u8> = sector.clone().map(|at| old.get(at).copied().unwrap_or(0)).collect();
        if before != new[sector.clone()] && random.f64() > keep {
            bytes[sector].copy_from_slice(&before);
            whole = false;
        }
    }
    (bytes, whole)
}

/// The files after each of several commits of one record, all of them in the write-ahead log.
async fn history(directory: &Path) -> Vec<Disk> {
    let path = directory.join("log.db");
    let engine = Sqlite::open(&path).unwrap();
    // SQLite creates the write-ahead log with the first commit.
    let mut disks = Vec::new();
    for number in 0..COMMITS {
        append(&engine, vec![numbered(number)]).await;
        disks.push(Disk::read(&path));
    }
    disks
}

#[tokio::test]
async fn a_write_ahead_log_cut_anywhere_keeps_every_commit_before_the_cut() {
    let directory = tempfile::tempdir().unwrap();
    let disks = history(directory.path()).await;
    let whole = disks.last().unwrap();
    assert_eq!(disks[0].database, whole.database, "nothing was copied into the file yet");
    let mut random = fastrand::Rng::with_seed(3);
    // The end of each commit, the byte before it, and random offsets.
    let mut cuts: Vec<_> = disks.iter().flat_map(|disk| [disk.ahead.len(), disk.ahead.len() - 1]).collect();
    cuts.extend((0..40).map(|_| random.usize(..whole.ahead.len())));
    assert_eq!(cuts.len(), 120);
    for cut in cuts {
        let fsynced = disks.iter().filter(|disk| disk.ahead.len() <= cut).count();
        let disk = Disk { ahead: whole.ahead[..cut].to_vec(), ..whole.clone() };
        let again = tempfile::tempdir_in(&directory).unwrap();
        assert_eq!(disk.come_up(again.path()).await, fsynced, "cut at {cut}");
    }
}

#[tokio::test]
async fn sectors_of_a_commit_in_any_order_are_all_of_it_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disks = history(directory.path()).await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut partly = 0;
    for round in 0..120 {
        let fsynced = random.usize(1..COMMITS);
        let (before, after) = (&disks[fsynced - 1], &disks[fsynced]);
        let (ahead, whole) = torn(&before.ahead, &after.ahead, &mut random);
        partly += usize::from(!whole);
        let again = tempfile::tempdir_in(&directory).unwrap();
        let stored = Disk { ahead, ..after.clone() }.come_up(again.path()).await;
        assert_eq!(stored, fsynced + usize::from(whole), "seed {seed}, round {round}");
    }
    assert!(partly > 60, "most states must be torn ones");
}

/// While the write-ahead log is copied into the file, that file is torn; the log beside it has everything.
#[tokio::test]
async fn a_torn_checkpoint_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let disks = history(directory.path()).await;
    let before = disks.last().unwrap();
    // Closing the log copies it.
    let path = directory.path().join("log.db");
    assert_eq!(reopen(&path).await.1.len(), COMMITS);
    let after = fs::read(&path).unwrap();
    assert_ne!(before.database, after);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..40 {
        let (database, _) = torn(&before.database, &after, &mut random);
        let again = tempfile::tempdir_in(&directory).unwrap();
        let stored = Disk { database, ahead: before.ahead.clone() }.come_up(again.path()).await;
        assert_eq!(stored, COMMITS, "seed {seed}, round {round}");
    }
}
