//! A connection that is opened when it is needed, and the scripts.

use std::{sync::LazyLock, time::Duration};

use redis::{AsyncConnectionConfig, Client, RedisError, Script, ScriptInvocation, aio::MultiplexedConnection};
use tidings::engine::EngineError;
use tokio::{sync::Mutex, time::timeout};

/// A script, put together from its files.
macro_rules! script {
    ($($file:literal),+) => { LazyLock::new(|| Script::new(concat!($(include_str!($file)),+))) };
}

pub(crate) static APPEND: LazyLock<Script> = script!("text.lua", "append.lua");
pub(crate) static CREATE: LazyLock<Script> = script!("text.lua", "create.lua");
pub(crate) static LOCATE: LazyLock<Script> = script!("text.lua", "tag.lua", "locate.lua");
pub(crate) static NODES: LazyLock<Script> = script!("text.lua", "nodes.lua");
pub(crate) static PAGE: LazyLock<Script> = script!("text.lua", "tag.lua", "page.lua");
pub(crate) static SWAP: LazyLock<Script> = script!("swap.lua");
pub(crate) static TRIM: LazyLock<Script> = script!("text.lua", "tag.lua", "trim.lua");

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(3);

/// Connects. The connection itself has no timeout for answers; each caller sets one.
pub(crate) async fn connect(client: &Client) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(Some(CONNECT)).set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// Whether an error is one of the connection, so that the command may have been carried out.
pub(crate) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_connection_dropped() || error.is_timeout() || error.is_unrecoverable_error()
}

/// Whether the server has no such log.
pub(crate) fn is_gone(error: &RedisError) -> bool {
    error.code() == Some("TIDINGSGONE")
}

/// A connection, opened when it is needed, and again after it broke.
pub(crate) struct Link {
    client: Client,
    connection: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, connection: Mutex::default() }
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        match &*connection {
            Some(made) => Ok(made.clone()),
            None => Ok(connection.insert(connect(&self.client).await?).clone()),
        }
    }

    /// Makes a call within a deadline. A connection that breaks or does not answer is dropped.
    pub(crate) async fn ask<T>(
        &self,
        deadline: Duration,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, Failed> {
        let asked = timeout(deadline, async {
            let mut connection = self.connection().await?;
            question(&mut connection).await
        });
        let failed = match asked.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if !is_broken(&error) => return Err(Failed::Server(error)),
            Ok(Err(error)) => Failed::Broken(EngineError(error.into())),
            Err(elapsed) => Failed::Broken(EngineError(elapsed.into())),
        };
        self.close().await;
        Err(failed)
    }

    /// Runs a script within a deadline.
    pub(crate) async fn run<T: redis::FromRedisValue>(
        &self,
        deadline: Duration,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, Failed> {
        self.ask(deadline, async |connection| call.invoke_async(connection).await).await
    }

    pub(crate) async fn close(&self) {
        if let Ok(mut connection) = self.connection.try_lock() {
            *connection = None;
        }
    }
}

/// Why a call failed.
pub(crate) enum Failed {
    /// The server reports an error: it has not carried out the call.
    Server(RedisError),
    /// The connection broke, or the answer took too long.
    Broken(EngineError),
}

impl From<Failed> for EngineError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Server(error) => Self(error.into()),
            Failed::Broken(error) => error,
        }
    }
}
