//! A part of the file that the disk cannot read any more. The kernel answers a child process with `EIO` where SQLite
//! reads one page of the file, as for a bad sector.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use tidings::engine::{Engine, Limit, Location, Sqlite};

use crate::{
    damaged::{Log, PAGE},
    log::{append, follow, numbered},
};

/// Makes reading at this offset of any file a device error, for this thread and its children.
fn break_sector(offset: u64) {
    let at = |argument| {
        let place = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, offset).unwrap();
        vec![SeccompRule::new(vec![place]).unwrap()]
    };
    // SQLite seeks and then reads, or does both in one call, depending on how it was compiled.
    let calls = BTreeMap::from([(libc::SYS_lseek, at(1)), (libc::SYS_pread64, at(3))]);
    let broken = SeccompAction::Errno(libc::EIO.cast_unsigned());
    let machine = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, broken, machine).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    seccompiler::apply_filter(&program).unwrap();
}

#[tokio::test]
#[ignore = "the process of a_bad_sector_is_told_as_damage_and_the_log_goes_on_behind_it"]
async fn child_with_a_bad_sector() {
    let path = std::env::var("TIDINGS_LOG").unwrap();
    let broken: u64 = std::env::var("TIDINGS_BROKEN").unwrap().parse().unwrap();
    let records: u64 = std::env::var("TIDINGS_RECORDS").unwrap().parse().unwrap();
    break_sector(broken);
    let engine = Sqlite::open(&path).unwrap();
    let bounds = engine.bounds().await.unwrap();
    assert_eq!(bounds.last, records);
    let followed = follow(&engine, bounds.base(), bounds.end()).await;
    assert!(followed.unavailable.is_none(), "{:?}", followed.unavailable);
    let [(from, through, None)] = followed.damaged[..] else { panic!("{:?}", followed.damaged) };
    assert!(from < through && through < records, "{from} to {through}");
    assert_eq!(followed.records.len() as u64, records - (through - from + 1), "all other records were delivered");
    let read = followed.records.iter().find(|record| record.seq == through + 1).unwrap();
    let behind = tidings::Cursor { epoch: bounds.epoch, seq: read.seq, tag: read.tag };
    assert_eq!(engine.locate(&[behind]).await.unwrap(), [Location::Held]);
    let receipt = append(&engine, vec![numbered(1_000_000)]).await[0];
    assert_eq!(receipt.cursor.seq, records + 1);
    let next = engine.read(bounds.end(), Limit { records: 1, bytes: usize::MAX }).await.unwrap();
    assert_eq!(next[0].tag, receipt.cursor.tag);
}

/// The page of the file that contains a record's entry.
fn page_of(path: &Path, key: &str) -> u64 {
    let bytes = fs::read(path).unwrap();
    let text = format!("{{\"key\":\"{key}\"");
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    (at / PAGE * PAGE) as u64
}

#[tokio::test]
async fn a_bad_sector_is_told_as_damage_and_the_log_goes_on_behind_it() {
    let log = Log::written().await;
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bad_sector::child_with_a_bad_sector", "--ignored", "--nocapture"])
        .env("TIDINGS_LOG", &log.path)
        .env("TIDINGS_BROKEN", page_of(&log.path, "key-150").to_string())
        .env("TIDINGS_RECORDS", log.receipts.len().to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
