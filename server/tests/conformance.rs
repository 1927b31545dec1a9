//! The engines of this crate, each held to the promises of all.

use tempfile::TempDir;
use tidings::engine::{
    Memory, Sqlite, SqliteBuilder,
    conformance::{Durable, Subject},
};

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

/// Logs in a directory that goes with it.
struct OnDisk(TempDir);

impl OnDisk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn next(&self) -> SqliteBuilder {
        let number = std::fs::read_dir(self.0.path()).unwrap().count();
        Sqlite::builder(self.0.path().join(format!("{number}.db")))
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

mod memory {
    tidings::conformance_tests!(super::InMemory);
}

mod sqlite {
    tidings::conformance_tests!(durable super::OnDisk::new());
}
