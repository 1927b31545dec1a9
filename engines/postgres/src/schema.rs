//! The tables and functions of a log: made where they are not there, and refused where they are of something else.

use tokio_postgres::{Client, error::SqlState};

use crate::error::{OpenError, OpenErrorKind};

/// The version of the tables and functions in schema.sql.
const VERSION: i32 = 1;
const SQL: &str = include_str!("schema.sql");
/// A lock of the whole database while a schema is made, because two that make it at once would be in each other's way.
const MAKING: i64 = 0x5464_6e67;

/// Makes the log where it is not there, in one transaction. `search_path` names the schema.
pub(crate) async fn prepare(client: &mut Client, schema: &str) -> Result<(), OpenError> {
    let transaction = client.transaction().await.map_err(OpenError::server)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING]).await.map_err(OpenError::server)?;
    let exists = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let schemas: i64 = transaction.query_one(exists, &[&schema]).await.map_err(OpenError::server)?.get(0);
    if schemas == 0 {
        // A user who may use a schema that is there need not be allowed to make one.
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await.map_err(OpenError::server)?;
    }
    let tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v')";
    let tables: i64 = transaction.query_one(tables, &[&schema]).await.map_err(OpenError::server)?.get(0);
    if tables == 0 {
        transaction.batch_execute(SQL).await.map_err(OpenError::server)?;
        let epoch = i64::from(fastrand::u32(1..));
        let insert = "INSERT INTO log (version, epoch, clock) VALUES ($1, $2, now_ms())";
        transaction.execute(insert, &[&VERSION, &epoch]).await.map_err(OpenError::server)?;
        return transaction.commit().await.map_err(OpenError::server);
    }
    match transaction.query_opt("SELECT version FROM log", &[]).await {
        Ok(Some(row)) if row.get::<_, i32>(0) == VERSION => Ok(()),
        Ok(Some(row)) => {
            let found = format!("its version is {}, this Tidings knows {VERSION}", row.get::<_, i32>(0));
            Err(OpenError::new(OpenErrorKind::Newer, Some(found.into())))
        }
        Ok(None) => Err(OpenError::new(OpenErrorKind::Foreign, Some("its table `log` is empty".into()))),
        Err(error) if matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN)) => {
            Err(OpenError::new(OpenErrorKind::Foreign, Some(error.into())))
        }
        Err(error) => Err(OpenError::server(error)),
    }
}
