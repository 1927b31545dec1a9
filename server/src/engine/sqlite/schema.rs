//! What the database looks like, and whether a file is one of ours.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{
    base::Base,
    error::{OpenError, OpenErrorKind},
    tags,
};

/// SQLite's `application_id`, by which a file is known for ours: "Tdng".
pub(super) const APPLICATION: i32 = 0x5464_6e67;
/// SQLite's `user_version`: the version of the tables below.
pub(super) const VERSION: i32 = 3;

/// How long a statement waits where somebody else (a person with an SQLite tool) holds SQLite's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// - `records`: `entry` is JSON, for people to query. `bytes` counts the bytes of all entries up to and with this one since the log
///   began, so that the size of any part of it is a subtraction. `header` is described in the module `row`.
/// - `log`: its one row is the record before the first one, and what else trimming knows; see the module `base`.
/// - `summary`: for each routing key the last record of those that have left.
/// - `tags`: the tags of records that have left, 1,024 to a row.
/// - `metadata`: the map beside the log.
///
/// `checksum` covers the rest of its row.
const TABLES: &str = "
CREATE TABLE log (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    epoch    INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    tag      INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    floor    INTEGER NOT NULL,
    lost     INTEGER NOT NULL,
    keys     INTEGER NOT NULL,
    clock    INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE records (
    seq       INTEGER PRIMARY KEY,
    tag       INTEGER NOT NULL,
    key       TEXT NOT NULL,
    timestamp INTEGER NOT NULL,
    bytes     INTEGER NOT NULL,
    header    BLOB NOT NULL,
    entry     TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX records_key ON records (key);
CREATE TABLE summary (
    key      INTEGER PRIMARY KEY,
    last     INTEGER NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE INDEX summary_last ON summary (last);
CREATE TABLE tags (
    chunk    INTEGER PRIMARY KEY,
    tags     BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT;
CREATE TABLE metadata (
    key      TEXT PRIMARY KEY,
    value    BLOB NOT NULL,
    checksum INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// A connection to the file for the writer: every commit is on the disk when it returns.
pub(super) fn connect(path: &Path, create: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS an fsync does not empty the drive's cache, this does; elsewhere it has no effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    // Opened for writing: a reader takes part in the locks of the write-ahead log, which are a file too.
    let connection = connect(path, false)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Whether the database is ours (`true`), or empty and free to become ours.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let failed = |error| OpenError::sqlite(path, error);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION, VERSION) => Ok(true),
        (APPLICATION, version) if version > 0 => {
            let kind = if version > VERSION { OpenErrorKind::Newer } else { OpenErrorKind::Older };
            let found = format!("its version is {version}, this Tidings knows {VERSION}");
            Err(OpenError::new(kind, path, Some(found.into())))
        }
        (0, 0) => {
            let tables = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0));
            match tables.map_err(failed)? {
                0 => Ok(false),
                _ => Err(OpenError::new(OpenErrorKind::Foreign, path, None)),
            }
        }
        _ => Err(OpenError::new(OpenErrorKind::Foreign, path, None)),
    }
}

/// Makes an empty database ours, in one transaction.
pub(super) fn create(connection: &Connection, base: &Base) -> rusqlite::Result<()> {
    // Before the switch to the write-ahead log, so that the file itself tells from its first byte on whose it is.
    let transaction = connection.unchecked_transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.execute_batch(TABLES)?;
    base.store(&transaction)?;
    tags::Tags::origin(&transaction)?;
    transaction.commit()
}

/// What only the connection that writes needs.
pub(super) fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The writer copies the write-ahead log into the file itself, after it has acknowledged.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // 16 MiB: foreign keys, unlike our own, fall all over their index.
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(())
}
