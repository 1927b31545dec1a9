//! The settings of a log, and its opening.

use std::{sync::Arc, time::Duration};

use redis::{Client, ConnectionAddr, IntoConnectionInfo};
use tidings::{
    engine::{GroupCommit, Retention, Source},
    peers::Mailbox,
};
use tokio::time::timeout;

use crate::{
    Handle, Redis,
    error::{OpenError, OpenErrorKind},
    link::{self, Failed},
    listener,
    log::Log,
    peers::Channels,
    writer::Writer,
};

/// The version of the data layout.
pub(crate) const VERSION: u32 = 2;
/// How long the checks of a server may take when the log is opened.
const OPENING: Duration = Duration::from_secs(10);

/// The settings of a handle.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) retention: Retention,
    pub(crate) summary_keys: u64,
    pub(crate) summary_tags: u64,
    pub(crate) replicas: u32,
}

/// The settings of a log, from [`Redis::builder`]. All hubs of one log should use the same.
#[derive(Clone, Debug)]
#[must_use = "call open()"]
pub struct RedisBuilder {
    url: String,
    settings: Settings,
}

impl RedisBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let retention = Retention { records: 100_000, bytes: 256 << 20, age: Duration::from_secs(24 * 3_600) };
        let settings = Settings {
            name: "tidings".to_owned(),
            retention,
            summary_keys: 65_536,
            summary_tags: 262_144,
            replicas: 0,
        };
        Self { url: url.to_owned(), settings }
    }

    /// The name of the log: letters, digits, `_`, `-` and `:`, at most 64. Each name is a log of its own. Defaults to
    /// `tidings`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// The most records. Defaults to 100,000.
    pub fn records(mut self, records: u64) -> Self {
        self.settings.retention.records = records;
        self
    }

    /// The most bytes of entries. Defaults to 256 MiB. They take about twice as much of the server's memory.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.settings.retention.bytes = bytes;
        self
    }

    /// The greatest age of a record, by a clock that follows the server's, but goes at most ten times as fast as time
    /// passes. Defaults to 24 hours.
    pub fn age(mut self, age: Duration) -> Self {
        self.settings.retention.age = age;
        self
    }

    /// For how many routing keys (channels, users) the last use in the trimmed part of the log is known. Defaults to
    /// 65,536.
    pub fn summary_keys(mut self, keys: u64) -> Self {
        self.settings.summary_keys = keys;
        self
    }

    /// For how many trimmed records the tag is kept, which distinguishes them from other records. Defaults to 262,144.
    pub fn summary_tags(mut self, tags: u64) -> Self {
        self.settings.summary_tags = tags;
        self
    }

    /// How many replicas must have a publish before it is acknowledged (`WAIT`). Defaults to 0: a fail-over then loses
    /// the last acknowledged records.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.settings.replicas = replicas;
        self
    }

    /// Opens the log, or creates it if it does not exist. Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the settings are wrong, the server cannot be reached or cannot serve as a log, or the log has another version.
    pub async fn open(self) -> Result<Redis, OpenError> {
        let client = self.client()?;
        match timeout(OPENING, check(&client, &self.settings)).await {
            Ok(checked) => checked?,
            Err(elapsed) => return Err(OpenError::new(OpenErrorKind::Unreachable, Source::from(elapsed))),
        }
        let log = Arc::new(Log::new(client, self.settings.clone()));
        let version = log.create().await.map_err(|failed| match failed {
            Failed::Server(error) => OpenError::server(error),
            Failed::Broken(error) => OpenError::new(OpenErrorKind::Unreachable, error.0),
        })?;
        if version != VERSION {
            let found = format!("the log has version {version}, this version of Tidings reads {VERSION}");
            return Err(OpenError::new(OpenErrorKind::Newer, Source::from(found)));
        }
        let mailbox = Arc::new(Mailbox::new(Channels::new(log.client.clone(), &self.settings.name)));
        let (appends, committing) = GroupCommit::start(Writer::new(Arc::downgrade(&log)));
        let listening = tokio::spawn(listener::listen(Arc::downgrade(&log))).abort_handle();
        let receiving = tokio::spawn(mailbox.post().listen(mailbox.inbox())).abort_handle();
        let tasks = vec![committing, listening, receiving];
        Ok(Redis { handle: Arc::new(Handle { builder: self, log, mailbox, appends, tasks }) })
    }

    fn client(&self) -> Result<Client, OpenError> {
        let name = &self.settings.name;
        let is_name = (1..=64).contains(&name.len())
            && name.bytes().all(|letter| letter.is_ascii_alphanumeric() || b"_-:".contains(&letter));
        if !is_name {
            let wrong = format!("{name:?} is not a valid log name: use letters, digits, _, - and :, at most 64");
            return Err(OpenError::new(OpenErrorKind::Settings, Source::from(wrong)));
        }
        let wrong = |error: redis::RedisError| OpenError::new(OpenErrorKind::Settings, Source::from(error));
        let info = self.url.as_str().into_connection_info().map_err(wrong)?;
        if let ConnectionAddr::Tcp(host, _) = info.addr()
            && !matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1")
        {
            tracing::warn!(
                "the connection to the Redis server is not encrypted, and the server is not verified; use a URL that begins with rediss:"
            );
        }
        Client::open(info).map_err(wrong)
    }
}

/// Refuses a server that cannot keep a log, and warns of one that may lose acknowledged records.
async fn check(client: &Client, settings: &Settings) -> Result<(), OpenError> {
    let mut connection = link::connect(client).await.map_err(OpenError::server)?;
    let info: String = redis::cmd("INFO").query_async(&mut connection).await.map_err(OpenError::server)?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    if field("role") == Some("slave") {
        return Err(OpenError::new(OpenErrorKind::ReadOnly, None));
    }
    if field("cluster_enabled") == Some("1") {
        return Err(OpenError::new(OpenErrorKind::Cluster, None));
    }
    // Where this user may not read the server's settings, `INFO` is all that is known of them.
    let limited = field("maxmemory").is_some_and(|bytes| bytes != "0");
    if limited && field("maxmemory_policy") != Some("noeviction") {
        return Err(OpenError::new(OpenErrorKind::Evicts, None));
    }
    if field("aof_enabled") != Some("1") {
        tracing::warn!(
            "the Redis server does not write to an append-only file (appendonly no): when the server ends, the log is lost and subscribers receive \
             `gap`"
        );
    } else {
        let asked = redis::cmd("CONFIG").arg("GET").arg("appendfsync").query_async(&mut connection).await;
        let policy: Vec<String> = asked.unwrap_or_default();
        if policy.get(1).is_none_or(|policy| policy != "always") {
            tracing::warn!(
                "the Redis server does not write each change to its disk before it answers (appendfsync is not always): a crash of its \
                 machine loses up to a second of what it acknowledged; subscribers receive `gap`"
            );
        }
    }
    if settings.replicas == 0 && field("connected_slaves").is_some_and(|count| count != "0") {
        tracing::warn!(
            "the Redis server has replicas that nobody waits for: a fail-over loses what was acknowledged last; set `replicas`"
        );
    }
    Ok(())
}
