//! The tables of the database, and whether a file is a log.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags};

use super::{
    base::Base,
    error::{OpenError, OpenErrorKind},
    tags,
};

/// SQLite's `application_id`, which marks a file as a log: "Tdng".
pub(super) const APPLICATION: i32 = 0x5464_6e67;
/// SQLite's `user_version`: the version of the tables below.
pub(super) const VERSION: i32 = 3;

/// How long a statement waits while another program (an SQLite tool, for example) holds SQLite's lock.
pub(super) const BUSY: Duration = Duration::from_secs(5);

/// - `records`: `entry` is JSON, for people to query. `bytes` counts the bytes of all entries since the log began, this
///   one included, so that the size of any part is a subtraction. The module `row` describes `header`.
/// - `log`: its one row is the record before the first one, and the state that trimming needs; see the module `base`.
/// - `summary`: for each routing key, the last trimmed record.
/// - `tags`: the tags of trimmed records, 1,024 to a row.
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

/// A connection for the writer: every commit is on the disk when it returns.
pub(super) fn connect(path: &Path, create: bool) -> rusqlite::Result<Connection> {
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    flags.set(OpenFlags::SQLITE_OPEN_CREATE, create);
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On macOS an fsync does not flush the drive's cache, and `fullfsync` does. Elsewhere it has no effect.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    // It is opened for writing, because a reader takes part in the locks of the write-ahead log, which are a file too.
    let connection = connect(path, false)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Whether the database is a log (`true`), or empty and free to become one.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let failed = |error| OpenError::sqlite(path, error);
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(failed);
    match (pragma("application_id")?, pragma("user_version")?) {
        (APPLICATION, VERSION) => Ok(true),
        (APPLICATION, version) if version > 0 => {
            let kind = if version > VERSION { OpenErrorKind::Newer } else { OpenErrorKind::Older };
            let found = format!("the file has version {version}, this version of Tidings reads {VERSION}");
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

/// Turns an empty database into a log, in one transaction.
pub(super) fn create(connection: &Connection, base: &Base) -> rusqlite::Result<()> {
    // This precedes the switch to the write-ahead log, so that the file itself names its application from its first
    // byte on.
    let transaction = connection.unchecked_transaction()?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.execute_batch(TABLES)?;
    base.store(&transaction)?;
    tags::Tags::origin(&transaction)?;
    transaction.commit()
}

/// Settings that only the writer's connection needs.
pub(super) fn set_up_writer(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The writer copies the write-ahead log into the file itself, after it has acknowledged.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    // 16 MiB: keys chosen by applications, unlike the hub's own, are scattered over their whole index.
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(())
}
