//! The conformance suite against a real PostgreSQL server.

use std::sync::LazyLock;

use tidings::engine::{
    Engine,
    conformance::{Durable, Hangs, Replaced, Shared, Subject, Unknown},
};
use tidings_postgres::Postgres;
use tidings_protocol::Cursor;
use tidings_servers::Postgres as Server;
use tokio_postgres::{Client, NoTls};

/// One server for all tests of this process.
static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().expect("a PostgreSQL server"));

/// A log in a schema of its own.
struct InSchema;

async fn client() -> Client {
    let (client, connection) = tokio_postgres::connect(&SERVER.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn schema() -> String {
    format!("t{:016x}", fastrand::u64(..))
}

impl Subject for InSchema {
    type Engine = Postgres;

    async fn fresh(&self) -> Postgres {
        Postgres::builder(SERVER.url()).schema(schema()).open().await.unwrap()
    }

    async fn keeping(&self, records: u64) -> Postgres {
        Postgres::builder(SERVER.url()).schema(schema()).records(records).open().await.unwrap()
    }
}

impl Durable for InSchema {
    async fn reopened(&self, engine: Postgres) -> Postgres {
        let schema = engine.schema().to_owned();
        engine.close().await;
        drop(engine);
        Postgres::builder(SERVER.url()).schema(schema).open().await.unwrap()
    }
}

impl Shared for InSchema {
    async fn another(&self, engine: &Postgres) -> Postgres {
        engine.again().open().await.unwrap()
    }
}

impl Hangs for InSchema {
    /// Another client's transaction that locks the log's row.
    type Hanging = Client;

    async fn hang(&self, engine: &Postgres) -> Client {
        let client = client().await;
        client.batch_execute(&format!("BEGIN; SELECT 1 FROM {}.log FOR UPDATE", engine.schema())).await.unwrap();
        client
    }
}

impl Replaced for InSchema {
    /// Simulates a restored backup.
    async fn roll_back(&self, engine: &Postgres, to: Cursor) {
        let (schema, seq, tag) = (engine.schema(), to.seq, to.tag);
        let sql = format!(
            "BEGIN; DELETE FROM {schema}.records WHERE seq > {seq};
             UPDATE {schema}.log SET last = {seq}, last_tag = {tag},
                 bytes = coalesce((SELECT bytes FROM {schema}.records WHERE seq = {seq}), 0);
             COMMIT"
        );
        client().await.batch_execute(&sql).await.unwrap();
    }

    async fn replace(&self, engine: &Postgres) {
        let other = self.fresh().await;
        let (old, new) = (engine.schema(), other.schema().to_owned());
        drop(other);
        let sql = format!("BEGIN; ALTER SCHEMA {old} RENAME TO {old}_gone; ALTER SCHEMA {new} RENAME TO {old}; COMMIT");
        client().await.batch_execute(&sql).await.unwrap();
    }
}

impl Unknown for InSchema {
    async fn append_bytes(&self, engine: &Postgres, key: &str, bytes: &[u8]) {
        let client = client().await;
        client.batch_execute(&format!("SET search_path TO {}", engine.schema())).await.unwrap();
        let sql =
            "SELECT * FROM append(ARRAY[$1], ARRAY[$2::bytea], ARRAY[7::bigint], ARRAY[1], ARRAY[0], ARRAY[]::bigint[],
                   ARRAY[9e15::bigint])";
        client.query(sql, &[&key, &bytes]).await.unwrap();
    }
}

mod postgres {
    tidings::conformance_tests!(durable, shared, hangs, replaced, unknown; super::InSchema);
}
