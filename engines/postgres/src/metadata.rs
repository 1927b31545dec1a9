//! The map beside the log. Every call goes to the one primary server, so the map is linearizable.

use async_trait::async_trait;
use tidings::engine::{EngineError, Metadata};

use crate::log::Log;

#[async_trait]
impl Metadata for Log {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        self.check_open()?;
        let row = self.short.ask(&self.access, async |reader| {
            reader.session.client.query_opt("SELECT value FROM metadata WHERE key = $1", &[&key]).await
        });
        Ok(row.await?.map(|row| row.get(0)))
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError> {
        self.check_open()?;
        let swapped = self.short.ask(&self.access, async |reader| {
            let client = &reader.session.client;
            let changed = match (expected, &value) {
                (None, None) => {
                    let row = client.query_opt("SELECT 1 FROM metadata WHERE key = $1", &[&key]).await?;
                    return Ok(row.is_none());
                }
                (None, Some(value)) => {
                    client
                        .execute("INSERT INTO metadata VALUES ($1, $2) ON CONFLICT DO NOTHING", &[&key, value])
                        .await?
                }
                (Some(expected), Some(value)) => {
                    let sql = "UPDATE metadata SET value = $3 WHERE key = $1 AND value = $2";
                    client.execute(sql, &[&key, &expected, value]).await?
                }
                (Some(expected), None) => {
                    client.execute("DELETE FROM metadata WHERE key = $1 AND value = $2", &[&key, &expected]).await?
                }
            };
            Ok(changed == 1)
        });
        swapped.await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        self.check_open()?;
        let rows = self.short.ask(&self.access, async |reader| {
            let sql = "SELECT key, value FROM metadata WHERE starts_with(key, $1) ORDER BY key";
            reader.session.client.query(sql, &[&prefix]).await
        });
        Ok(rows.await?.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
