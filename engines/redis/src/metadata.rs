//! The map beside the log: a hash. Every call goes to the one primary server, so the map is linearizable.

use async_trait::async_trait;
use tidings::engine::{EngineError, Metadata};

use crate::{
    link::SWAP,
    log::{DEADLINE, Log},
};

#[async_trait]
impl Metadata for Log {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        self.check_open()?;
        let mut get = redis::cmd("HGET");
        get.arg(&self.keys.metadata).arg(key);
        Ok(self.short.ask(DEADLINE, async |connection| get.query_async(connection).await).await?)
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError> {
        self.check_open()?;
        let mut call = SWAP.prepare_invoke();
        call.key(&self.keys.metadata).arg(key);
        call.arg(i32::from(expected.is_some())).arg(expected.unwrap_or_default());
        call.arg(i32::from(value.is_some())).arg(value.unwrap_or_default());
        Ok(self.short.run(DEADLINE, &call).await?)
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        self.check_open()?;
        let mut all = redis::cmd("HGETALL");
        all.arg(&self.keys.metadata);
        let all = self.short.ask(DEADLINE, async |connection| all.query_async(connection).await);
        let mut found: Vec<(String, Vec<u8>)> = all.await?;
        found.retain(|(key, _)| key.starts_with(prefix));
        found.sort();
        Ok(found)
    }
}
