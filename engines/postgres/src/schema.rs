//! The tables and functions of a log. They are created where they do not exist, and refused where they belong to
//! another application.

use tokio_postgres::{Client, Transaction, error::SqlState};

use crate::error::{OpenError, OpenErrorKind};

/// The steps from each version of the tables and functions to the next. A released file never changes: hubs of its
/// version run beside newer ones, so a step adds, and removes nothing that they use.
const STEPS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];
/// An advisory lock of the whole database that serializes the creation of schemas.
const MAKING: i64 = 0x5464_6e67;

/// Creates the log if it does not exist, and updates an older one, in one transaction. `search_path` names the schema.
pub(crate) async fn prepare(client: &mut Client, schema: &str) -> Result<(), OpenError> {
    let transaction = client.transaction().await.map_err(OpenError::server)?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&MAKING]).await.map_err(OpenError::server)?;
    let exists = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let schemas: i64 = transaction.query_one(exists, &[&schema]).await.map_err(OpenError::server)?.get(0);
    if schemas == 0 {
        // The schema is created only if it is missing, because a user of an existing schema need not have the right to
        // create one.
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await.map_err(OpenError::server)?;
    }
    let tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                  WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v')";
    let tables: i64 = transaction.query_one(tables, &[&schema]).await.map_err(OpenError::server)?.get(0);
    let version = if tables == 0 { 0 } else { version(&transaction).await? };
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    let Some(steps) = STEPS.get(done..) else {
        let found = format!("the schema has version {version}, this version of Tidings reads up to {}", STEPS.len());
        return Err(OpenError::new(OpenErrorKind::Newer, Some(found.into())));
    };
    for step in steps {
        transaction.batch_execute(step).await.map_err(OpenError::server)?;
    }
    let newest = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    if version == 0 {
        let epoch = i64::from(fastrand::u32(1..));
        let insert = "INSERT INTO log (version, epoch, clock) VALUES ($1, $2, now_ms())";
        transaction.execute(insert, &[&newest, &epoch]).await.map_err(OpenError::server)?;
    } else if !steps.is_empty() {
        tracing::info!(schema, from = version, to = newest, "the tables of the log were brought up to date");
        transaction.execute("UPDATE log SET version = $1", &[&newest]).await.map_err(OpenError::server)?;
    }
    transaction.commit().await.map_err(OpenError::server)
}

/// The version of the existing tables.
async fn version(transaction: &Transaction<'_>) -> Result<i32, OpenError> {
    match transaction.query_opt("SELECT version FROM log", &[]).await {
        Ok(Some(row)) => Ok(row.get(0)),
        Ok(None) => Err(OpenError::new(OpenErrorKind::Foreign, Some("its table `log` is empty".into()))),
        Err(error) if matches!(error.code(), Some(&SqlState::UNDEFINED_TABLE | &SqlState::UNDEFINED_COLUMN)) => {
            Err(OpenError::new(OpenErrorKind::Foreign, Some(error.into())))
        }
        Err(error) => Err(OpenError::server(error)),
    }
}
