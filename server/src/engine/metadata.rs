//! The small map beside the log.

use async_trait::async_trait;

use super::EngineError;

/// A small durable key/value map beside the log, which trimming does not touch. The hub keeps the lasting effect of the
/// log's orders in it, such as revocations.
///
/// It is **linearizable** across all handles of the log: a call that begins after another one returned sees that call's
/// effect. Otherwise a hub that starts could miss a revocation.
#[async_trait]
pub trait Metadata: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be reached.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError>;

    /// Sets a key to `value`, or removes it if `value` is `None`, provided that its present value is `expected`, where
    /// `None` means that the key is not set. Returns whether the key was changed.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: it is unknown whether the key was changed.
    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError>;

    /// The keys with this prefix and their values, sorted by key.
    ///
    /// # Errors
    ///
    /// [`EngineError`]: the engine could not be reached.
    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError>;
}
