//! The engines of this crate against the conformance suite.

use std::{fs, path::PathBuf};

use rusqlite::Connection;
use tempfile::TempDir;
use tidings::engine::{
    Engine, Memory, Sqlite, SqliteBuilder,
    conformance::{Durable, Hangs, Replaced, Shared, Subject, entry},
};
use tidings_protocol::Cursor;

struct InMemory;

impl Subject for InMemory {
    type Engine = Memory;

    async fn fresh(&self) -> Memory {
        Memory::default()
    }

    async fn keeping(&self, records: u64) -> Memory {
        Memory::builder().records(usize::try_from(records).unwrap()).build()
    }
}

impl Shared for InMemory {
    async fn another(&self, engine: &Memory) -> Memory {
        engine.clone()
    }
}

/// Logs in a temporary directory.
struct OnDisk(TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        let number = fs::read_dir(self.0.path()).unwrap().count();
        self.0.path().join(format!("{number}.db"))
    }

    fn next(&self) -> SqliteBuilder {
        Sqlite::builder(self.path())
    }
}

impl Subject for OnDisk {
    type Engine = Sqlite;

    async fn fresh(&self) -> Sqlite {
        self.next().open().unwrap()
    }

    async fn keeping(&self, records: u64) -> Sqlite {
        self.next().records(records).open().unwrap()
    }
}

impl Durable for OnDisk {
    async fn reopened(&self, engine: Sqlite) -> Sqlite {
        let path = engine.path().to_owned();
        drop(engine);
        Sqlite::open(path).unwrap()
    }
}

impl Shared for OnDisk {
    async fn another(&self, engine: &Sqlite) -> Sqlite {
        engine.clone()
    }
}

impl Hangs for OnDisk {
    /// Another SQLite tool in the middle of a write transaction.
    type Hanging = Connection;

    async fn hang(&self, engine: &Sqlite) -> Connection {
        let outsider = Connection::open(engine.path()).unwrap();
        outsider.execute_batch("BEGIN IMMEDIATE").unwrap();
        outsider
    }
}

impl Replaced for OnDisk {
    /// The file is replaced by a copy with the records up to there.
    async fn roll_back(&self, engine: &Sqlite, to: Cursor) {
        let copy = self.path();
        let source = Connection::open(engine.path()).unwrap();
        source.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        let older = Connection::open(&copy).unwrap();
        older.execute("DELETE FROM records WHERE seq > ?1", [i64::try_from(to.seq).unwrap()]).unwrap();
        older.close().unwrap();
        fs::rename(copy, engine.path()).unwrap();
    }

    async fn replace(&self, engine: &Sqlite) {
        let other = self.fresh().await;
        other.append(vec![entry("1")], std::time::Duration::from_secs(10)).await.unwrap();
        let path = other.path().to_owned();
        drop(other);
        fs::rename(path, engine.path()).unwrap();
    }
}

mod memory {
    tidings::conformance_tests!(shared; super::InMemory);
}

mod sqlite {
    tidings::conformance_tests!(durable, shared, hangs, replaced; super::OnDisk::new());
}
