//! The effect of each kind of damage: everything else is delivered, and only the streams that it may concern receive a
//! gap.

use std::{fs, path::PathBuf, time::Duration};

use rusqlite::Connection;
use tempfile::TempDir;
use tidings::{
    engine::{Engine, Location, OpenErrorKind, Receipt, Sqlite, conformance::entry_on},
    record::Record,
};

use crate::{
    lines,
    log::{Followed, append, follow, numbered},
};

const RECORDS: usize = 300;
/// SQLite's default page size.
pub(crate) const PAGE: usize = 4_096;

/// A log that was closed in order: one file, and its lock file.
pub(crate) struct Log {
    pub(crate) directory: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) receipts: Vec<Receipt>,
}

impl Log {
    pub(crate) async fn written() -> Self {
        Self::of(RECORDS).await
    }

    pub(crate) async fn of(records: usize) -> Self {
        lines::collect();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.db");
        let engine = Sqlite::open(&path).unwrap();
        let mut receipts = Vec::new();
        for number in 0..records {
            receipts.extend(append(&engine, vec![numbered(number)]).await);
        }
        engine.metadata().swap("kept", None, Some(b"a value".to_vec())).await.unwrap();
        drop(engine);
        Self { directory, path, receipts }
    }

    /// Changes the log with an SQLite tool.
    fn sql(&self, sql: &str) {
        let connection = Connection::open(&self.path).unwrap();
        connection.execute_batch(sql).unwrap();
        connection.close().unwrap();
    }

    /// Changes the log with a hex editor.
    fn edit(&self, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(&self.path).unwrap();
        edit(&mut bytes);
        fs::write(&self.path, bytes).unwrap();
    }

    /// Reads the log as a hub does, and checks that it can be appended to.
    pub(crate) async fn followed(&self) -> Followed {
        let engine = Sqlite::open(&self.path).unwrap();
        let bounds = engine.bounds().await.unwrap();
        let followed = follow(&engine, bounds.base(), bounds.end()).await;
        self.check(&followed, bounds.last);
        let next = append(&engine, vec![entry_on("room:next", "1")]).await;
        assert_eq!(next[0].cursor.seq, self.receipts.len() as u64 + 1, "no number is used again");
        followed
    }

    /// Checks that every delivered record is what was written, and that missing ones were reported.
    pub(crate) fn check(&self, followed: &Followed, last: u64) {
        assert_eq!(last, self.receipts.len() as u64, "the log ends where it ended before");
        assert!(followed.unavailable.is_none(), "{:?}", followed.unavailable);
        check_records(&followed.records);
        for record in &followed.records {
            assert_eq!(record.tag, self.receipts[usize::try_from(record.seq).unwrap() - 1].cursor.tag);
        }
    }
}

/// Checks that every delivered record is what was written.
pub(crate) fn check_records(records: &[Record]) {
    for record in records {
        let number = usize::try_from(record.seq).unwrap() - 1;
        assert_eq!(record.entry.to_bytes(), numbered(number).to_bytes(), "record {}", record.seq);
    }
}

/// The offset of the `nth` occurrence of these bytes.
fn find(bytes: &[u8], pattern: &[u8], nth: usize) -> usize {
    let mut found = bytes.windows(pattern.len()).enumerate().filter(|(_, window)| *window == pattern);
    found.nth(nth).expect("the pattern").0
}

fn ranges(followed: &Followed) -> Vec<(u64, u64)> {
    followed.damaged.iter().map(|(from, through, _)| (*from, *through)).collect()
}

#[tokio::test]
async fn a_byte_in_an_entry_concerns_only_the_streams_of_its_keys() {
    let log = Log::written().await;
    log.edit(|bytes| {
        let at = find(bytes, br#"{"key":"key-150""#, 0);
        bytes[at + 40] ^= 0x01;
    });
    let followed = log.followed().await;
    assert_eq!(ranges(&followed), [(151, 151)]);
    let mut keys = numbered(150).routing_keys();
    keys.sort();
    assert_eq!(followed.damaged[0].2.as_deref(), Some(&*keys));
    assert_eq!(followed.records.len(), RECORDS - 1, "all other records are delivered");
}

#[tokio::test]
async fn damage_is_logged_once_with_the_file_the_numbers_and_a_remedy() {
    let log = Log::written().await;
    log.sql("UPDATE records SET entry = '{}' WHERE seq IN (20, 30)");
    let engine = Sqlite::open(&log.path).unwrap();
    let bounds = engine.bounds().await.unwrap();
    for _ in 0..10 {
        assert_eq!(ranges(&follow(&engine, bounds.base(), bounds.end()).await), [(20, 20), (30, 30)]);
    }
    let lines: Vec<_> = lines::about(&log.path).into_iter().filter(|line| line.contains("damaged")).collect();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[0].starts_with("ERROR") && lines[0].contains("from=20 through=20"), "{lines:#?}");
    assert!(lines[0].contains("PRAGMA integrity_check"), "{lines:#?}");
}

#[tokio::test]
async fn a_damaged_entry_and_header_concern_all_streams() {
    let log = Log::written().await;
    log.sql("UPDATE records SET entry = '{}', header = zeroblob(length(header)) WHERE seq = 9");
    let followed = log.followed().await;
    assert_eq!((ranges(&followed), followed.damaged[0].2.clone()), (vec![(9, 9)], None));
    assert_eq!(followed.records.len(), RECORDS - 1);
}

#[tokio::test]
async fn several_damaged_records_in_a_row_are_one_range_and_concern_all_their_keys() {
    let log = Log::written().await;
    log.sql("UPDATE records SET entry = replace(entry, 'key', 'kez') WHERE seq BETWEEN 9 AND 12");
    let followed = log.followed().await;
    assert_eq!(ranges(&followed), [(9, 12)]);
    let known = followed.damaged[0].2.clone().unwrap();
    assert!((8..12).all(|number| numbered(number).routing_keys().iter().all(|key| known.contains(key))));
    assert!(!known.contains(&numbered(12).routing_keys()[0]), "room:2 is not concerned");
}

#[tokio::test]
async fn a_damaged_column_that_reading_does_not_need_loses_nothing() {
    for column in [
        "key = 'another-' || seq",
        "timestamp = timestamp + 1",
        "timestamp = 0",
        "bytes = bytes + 100000",
        "header = x'00'",
        "header = zeroblob(length(header))",
    ] {
        let log = Log::written().await;
        log.sql(&format!("UPDATE records SET {column} WHERE seq IN (1, 100, {RECORDS})"));
        let followed = log.followed().await;
        assert_eq!((ranges(&followed), followed.records.len()), (vec![], RECORDS), "{column}");
        // Trimming neither stops there nor removes too much.
        let engine = Sqlite::builder(&log.path).records(50).age(Duration::MAX).open().unwrap();
        while engine.trim().await.unwrap().more {}
        let bounds = engine.bounds().await.unwrap();
        assert_eq!((bounds.first, bounds.last), (RECORDS as u64 - 48, RECORDS as u64 + 1), "{column}");
        let keys = numbered(99).routing_keys();
        let moved = engine.moved(&keys[..1]).await.unwrap()[0];
        assert!((240..=252).contains(&moved), "{column}: {moved}");
    }
}

#[tokio::test]
async fn a_damaged_tag_is_known_from_the_next_record() {
    let log = Log::written().await;
    log.sql(&format!("UPDATE records SET tag = tag + 1 WHERE seq IN (1, 100, {RECORDS})"));
    let followed = log.followed().await;
    assert_eq!((ranges(&followed), followed.records.len()), (vec![], RECORDS));
    let mended = lines::about(&log.path).iter().filter(|line| line.contains("a row of the log is damaged")).count();
    assert_eq!(mended, 3);
}

#[tokio::test]
async fn a_missing_row_is_damage_and_what_follows_is_delivered() {
    let log = Log::written().await;
    log.sql("DELETE FROM records WHERE seq IN (1, 50, 51, 52, 120)");
    let followed = log.followed().await;
    assert_eq!(ranges(&followed), [(1, 1), (50, 52), (120, 120)]);
    assert!(followed.damaged.iter().all(|(_, _, keys)| keys.is_none()));
    assert_eq!(followed.records.len(), RECORDS - 5);
}

#[tokio::test]
async fn a_missing_end_is_damage_and_its_numbers_are_not_used_again() {
    let log = Log::written().await;
    log.sql("DELETE FROM records WHERE seq > 290");
    let followed = log.followed().await;
    assert_eq!(ranges(&followed), [(291, RECORDS as u64)]);
    assert!(
        lines::about(&log.path).iter().any(|line| line.starts_with("ERROR") && line.contains("from=291 through=300"))
    );
    // A client that had read to the end has missed nothing, and others receive a gap, after a restart too.
    let engine = Sqlite::open(&log.path).unwrap();
    let located = engine.locate(&[log.receipts[299].cursor, log.receipts[294].cursor]).await.unwrap();
    assert_eq!(located, [Location::Held, Location::Diverged]);
    let bounds = engine.bounds().await.unwrap();
    assert_eq!(ranges(&follow(&engine, bounds.base(), bounds.end()).await), [(291, 300)]);
}

#[tokio::test]
async fn a_log_opens_although_its_last_record_is_damaged() {
    for sql in [
        "UPDATE records SET entry = '{}' WHERE seq = 300",
        "UPDATE records SET entry = '{}', header = x'00' WHERE seq = 300",
        "UPDATE records SET entry = '{}', header = x'00', bytes = 7 WHERE seq > 297",
        "DELETE FROM records WHERE seq = 300",
    ] {
        for knows_the_end in [true, false] {
            let log = Log::written().await;
            log.sql(sql);
            if !knows_the_end {
                if sql.starts_with("DELETE") {
                    continue;
                }
                fs::remove_file(log.directory.path().join("log.db-lock")).unwrap();
            }
            let followed = log.followed().await;
            assert_eq!(followed.damaged.len(), 1, "{sql}");
            let engine = Sqlite::open(&log.path).unwrap();
            let bounds = engine.bounds().await.unwrap();
            let again = follow(&engine, bounds.base(), bounds.end()).await;
            assert_eq!(again.records.last().unwrap().seq, 301, "{sql}: the next one is chained to it");
        }
    }
}

#[tokio::test]
async fn a_number_that_was_changed_does_not_move_the_end() {
    let log = Log::written().await;
    log.sql("UPDATE records SET seq = 8000000 WHERE seq = 300");
    let followed = log.followed().await;
    assert_eq!(ranges(&followed), [(300, 300)]);
    let log = Log::written().await;
    log.sql("UPDATE records SET seq = 8000000 WHERE seq = 30");
    let followed = log.followed().await;
    assert_eq!(ranges(&followed), [(30, 30)]);
}

#[tokio::test]
async fn a_byte_in_the_index_of_keys_is_mended_by_reindexing() {
    let log = Log::written().await;
    log.edit(|bytes| {
        // The leaf pages of indexes begin with a 10.
        let leaves = bytes.chunks_mut(PAGE).filter(|page| page[0] == 10);
        let mut changed = 0;
        for page in leaves {
            while let Some(at) = page.windows(7).position(|window| window == b"key-150") {
                page[at + 6] = b'x';
                changed += 1;
            }
        }
        assert!(changed > 0, "the index has the key");
    });
    let check = |path| Connection::open(path).unwrap().pragma_query_value(None, "integrity_check", |row| row.get(0));
    let found: String = check(&log.path).unwrap();
    assert!(found.contains("records_key"), "a scrub names it: {found}");
    let followed = log.followed().await;
    assert_eq!((ranges(&followed), followed.records.len()), (vec![], RECORDS), "reading does not need it");
    // Trimming gets there, reports it, and does not stop for ever.
    let engine = Sqlite::builder(&log.path).records(10).age(Duration::MAX).open().unwrap();
    while engine.trim().await.unwrap().more {}
    assert_eq!(engine.bounds().await.unwrap().first, 292);
    assert!(lines::about(&log.path).iter().any(|line| line.contains("could not be deleted")), "it is told");
    drop(engine);
    log.sql("REINDEX");
    let engine = Sqlite::open(&log.path).unwrap();
    assert!(append(&engine, vec![numbered(295)]).await[0].duplicate);
}

#[tokio::test]
async fn a_damaged_summary_counts_every_key_as_moved() {
    for sql in [
        "UPDATE summary SET last = 1",
        "UPDATE summary SET key = key + 1",
        "DELETE FROM summary WHERE key IN (SELECT key FROM summary LIMIT 1)",
        "UPDATE log SET keys = keys + 1; UPDATE summary SET checksum = 0",
    ] {
        let log = Log::written().await;
        let engine = Sqlite::builder(&log.path).records(50).age(Duration::MAX).open().unwrap();
        append(&engine, vec![entry_on("rare:one", "1")]).await;
        while engine.trim().await.unwrap().more {}
        drop(engine);
        log.sql(sql);
        if sql.contains("UPDATE log") {
            assert_eq!(Sqlite::open(&log.path).unwrap_err().kind(), OpenErrorKind::Corrupt);
            continue;
        }
        let engine = Sqlite::open(&log.path).unwrap();
        let base = engine.bounds().await.unwrap().first - 1;
        let silent = entry_on("rare:two", "1").routing_keys();
        assert!(engine.moved(&silent).await.unwrap().iter().all(|moved| *moved == base), "{sql}");
        assert!(
            lines::about(&log.path).iter().any(|line| line.contains("summary") && line.starts_with("ERROR")),
            "{sql}"
        );
        // From here on the summary is right again.
        drop(engine);
        let engine = Sqlite::open(&log.path).unwrap();
        assert!(engine.moved(&silent).await.unwrap().iter().all(|moved| *moved == base), "{sql}: after a restart");
    }
}

#[tokio::test]
async fn damaged_tags_make_a_cursor_forgotten_and_never_held() {
    for sql in
        ["UPDATE tags SET tags = zeroblob(length(tags))", "DELETE FROM tags", "UPDATE tags SET chunk = chunk + 1"]
    {
        let log = Log::written().await;
        let engine = Sqlite::builder(&log.path).records(50).age(Duration::MAX).open().unwrap();
        while engine.trim().await.unwrap().more {}
        assert_eq!(engine.locate(&[log.receipts[9].cursor]).await.unwrap(), [Location::Trimmed]);
        drop(engine);
        log.sql(sql);
        let engine = Sqlite::open(&log.path).unwrap();
        assert_eq!(engine.locate(&[log.receipts[9].cursor]).await.unwrap(), [Location::Forgotten], "{sql}");
    }
}

#[tokio::test]
async fn a_damaged_row_of_the_metadata_is_refused_by_name() {
    for sql in [
        "UPDATE metadata SET value = x'00'",
        "UPDATE metadata SET key = 'other'",
        "UPDATE metadata SET checksum = checksum + 1",
    ] {
        let log = Log::written().await;
        log.sql(sql);
        let engine = Sqlite::open(&log.path).unwrap();
        let error = engine.metadata().list("").await.unwrap_err();
        let source = error.0.to_string();
        assert!(
            source.contains("metadata") && (source.contains("kept") || source.contains("other")),
            "{sql}: {source}"
        );
        if !sql.contains("key") {
            assert!(engine.metadata().get("kept").await.is_err(), "{sql}");
        }
    }
}

/// The receivers of the damaged record are unknown.
#[tokio::test]
async fn a_damaged_record_that_has_left_counts_for_all_keys() {
    for sql in
        ["UPDATE records SET entry = '{}', header = x'00' WHERE seq = 200", "DELETE FROM records WHERE seq = 200"]
    {
        let log = Log::written().await;
        log.sql(sql);
        let engine = Sqlite::builder(&log.path).records(50).age(Duration::MAX).open().unwrap();
        while engine.trim().await.unwrap().more {}
        assert_eq!(engine.bounds().await.unwrap().first, 251, "{sql}");
        let keys = [entry_on("rare:two", "1").routing_keys()[0], numbered(249).routing_keys()[0]];
        assert_eq!(engine.moved(&keys).await.unwrap(), [200, 250], "{sql}");
        let left =
            lines::about(&log.path).into_iter().any(|line| line.starts_with("ERROR") && line.contains("through=200"));
        assert!(left, "{sql}");
    }
}

/// If only the entry is damaged, its row names the receivers.
#[tokio::test]
async fn a_damaged_entry_that_has_left_counts_for_its_keys() {
    let log = Log::written().await;
    log.sql("UPDATE records SET entry = '{}' WHERE seq = 200");
    let engine = Sqlite::builder(&log.path).records(50).age(Duration::MAX).open().unwrap();
    while engine.trim().await.unwrap().more {}
    let keys = [entry_on("rare:two", "1").routing_keys()[0], numbered(249).routing_keys()[0]];
    assert_eq!(engine.moved(&keys).await.unwrap(), [0, 250]);
}
