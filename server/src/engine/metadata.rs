//! The small map beside the log.

use async_trait::async_trait;

use super::EngineError;

/// A small durable key/value map beside the log, untouched by trimming. The hub keeps in it what the commands in the log have
/// left in force, such as revocations.
///
/// It is **linearizable**, across all handles of the log: a call that began after another one had returned sees what that one
/// did. Otherwise a hub that starts could miss a revocation.
#[async_trait]
pub trait Metadata: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be asked.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError>;

    /// Sets a key to `value`, or removes it where that is `None`, if it has the value `expected` now, where `None` means that there
    /// is none. Returns whether it had, and so whether it was set.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: it is not known whether it was set.
    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError>;

    /// The keys that begin with this, and their values, in the keys' order.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be asked.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError>;
}
