//! The settings of a log, and its opening.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tidings::{
    engine::{GroupCommit, Retention, Source},
    peers::Mailbox,
};
use tokio::{sync::mpsc, time::timeout};
use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};

use crate::{
    Handle, Postgres,
    error::{OpenError, OpenErrorKind},
    listener,
    log::Log,
    peers::Mail,
    schema,
    session::{Access, Session},
    tls,
    writer::Writer,
};

/// How long connecting may take, for each address of the server.
const CONNECT: Duration = Duration::from_secs(3);
/// How long a server may take until it has let the engine in, answered its checks and prepared the tables. A server that
/// accepts the connection and stays silent is not covered by [`CONNECT`].
const OPEN: Duration = Duration::from_secs(20);
/// How long our own notice may take that shows that the connection keeps its session.
const NOTICE: Duration = Duration::from_secs(3);
/// The longest name of a schema. A longer one would make PostgreSQL truncate the name of its notification channel.
const NAME_BYTES: usize = 48;

/// The settings of a handle.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) schema: String,
    pub(crate) retention: Retention,
    pub(crate) summary_keys: u64,
    pub(crate) summary_tags: u64,
}

/// The settings of a log, from [`Postgres::builder`]. All hubs of one log should use the same.
#[derive(Clone, Debug)]
#[must_use = "call open()"]
pub struct PostgresBuilder {
    url: String,
    certificates: Option<PathBuf>,
    settings: Settings,
}

impl PostgresBuilder {
    pub(crate) fn new(url: &str) -> Self {
        let retention = Retention { records: 1_000_000, bytes: 1 << 30, age: Duration::from_secs(24 * 3_600) };
        let settings =
            Settings { schema: "tidings".to_owned(), retention, summary_keys: 65_536, summary_tags: 262_144 };
        Self { url: url.to_owned(), certificates: None, settings }
    }

    /// The schema that holds the log: a lower-case letter, then letters, digits and `_`, at most 48 in all. Each schema
    /// is a log of its own. Defaults to `tidings`.
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.settings.schema = name.into();
        self
    }

    /// The most records. Defaults to 1,000,000.
    pub fn records(mut self, records: u64) -> Self {
        self.settings.retention.records = records;
        self
    }

    /// The most bytes of entries. Defaults to 1 GiB. The tables take about twice as much.
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

    /// With `sslmode=require`, verifies the server by the certificates in this PEM file. Defaults to the certificates
    /// that the system trusts.
    pub fn root_certificates(mut self, file: impl Into<PathBuf>) -> Self {
        self.certificates = Some(file.into());
        self
    }

    /// Opens the log, or creates it if it does not exist. Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`OpenError`]: the settings are wrong, the server cannot be reached or cannot serve as a log, or the schema has another version.
    pub async fn open(self) -> Result<Postgres, OpenError> {
        let access = self.access()?;
        let silent =
            |_| OpenError::new(OpenErrorKind::Unreachable, Source::from("the server did not answer within 20 seconds"));
        let (last, clock) = timeout(OPEN, self.prepare(&access)).await.map_err(silent)??;
        let log = Arc::new(Log::new(access.clone(), self.settings.clone(), last, clock));
        let mailbox = Arc::new(Mailbox::new(Mail::new(access.clone())));
        let (appends, committing) = GroupCommit::start(Writer::new(Arc::downgrade(&log), access));
        let listening = tokio::spawn(listener::listen(Arc::downgrade(&log))).abort_handle();
        let receiving = tokio::spawn(mailbox.post().listen(mailbox.inbox())).abort_handle();
        let tasks = vec![committing, listening, receiving];
        Ok(Postgres { handle: Arc::new(Handle { builder: self, log, mailbox, appends, tasks }) })
    }

    /// Checks the server, prepares the tables, and returns the last record's number and the clock of the log.
    async fn prepare(&self, access: &Access) -> Result<(u64, u64), OpenError> {
        let mut session = access.connect(None).await.map_err(OpenError::server)?;
        check_durable(&session).await?;
        schema::prepare(&mut session.client, &self.settings.schema).await?;
        check_notices(access).await?;
        let row = session.client.query_one("SELECT last, clock FROM log", &[]).await.map_err(OpenError::server)?;
        let number = |index| u64::try_from(row.get::<_, i64>(index)).unwrap_or_default();
        Ok((number(0), number(1)))
    }

    fn access(&self) -> Result<Access, OpenError> {
        let wrong = |source: Source| OpenError::new(OpenErrorKind::Settings, source);
        let schema = &self.settings.schema;
        let is_name = schema.starts_with(|first: char| first.is_ascii_lowercase())
            && schema.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
            && schema.len() <= NAME_BYTES;
        if !is_name {
            return Err(wrong(format!("{schema:?} is not a valid schema name: use a lower-case letter, then letters, digits and _, at most 48 in all").into()));
        }
        let mut config: Config = self.url.parse().map_err(|error: tokio_postgres::Error| wrong(error.into()))?;
        if config.get_user().is_none() {
            return Err(wrong("the URL names no user; write postgres://user@host/database".into()));
        }
        config.connect_timeout(CONNECT).target_session_attrs(TargetSessionAttrs::ReadWrite);
        // A server that vanished is given up within seconds, and not after the kernel's own timeout.
        config.keepalives_idle(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(5));
        if config.get_application_name().is_none() {
            config.application_name("tidings");
        }
        let is_encrypted = config.get_ssl_mode() == SslMode::Require;
        let is_remote = config.get_hosts().iter().any(|host| match host {
            Host::Tcp(name) => !matches!(name.as_str(), "localhost" | "127.0.0.1" | "::1"),
            #[cfg(unix)]
            Host::Unix(_) => false,
        });
        if is_remote && !is_encrypted {
            tracing::warn!(
                "the connection to the PostgreSQL server is not encrypted, and the server is not verified; add sslmode=require to its URL"
            );
        }
        let tls = is_encrypted.then(|| tls::connector(self.certificates.as_deref())).transpose().map_err(wrong)?;
        Ok(Access { config, tls, schema: schema.clone() })
    }
}

/// Refuses a server that does not write to its disk, and warns of one that may lose acknowledged records.
async fn check_durable(session: &Session) -> Result<(), OpenError> {
    let sql =
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes'),
                      current_setting('synchronous_standby_names'),
                      (SELECT count(*) FROM pg_stat_replication)";
    let row = session.client.query_one(sql, &[]).await.map_err(OpenError::server)?;
    let setting = |index| row.get::<_, String>(index);
    if setting(0) == "off" {
        return Err(OpenError::new(OpenErrorKind::NotDurable, None));
    }
    if setting(1) == "off" {
        tracing::warn!(
            "the PostgreSQL server has synchronous_commit = off: a crash loses what it acknowledged last; subscribers receive `gap`"
        );
    }
    if setting(2) == "off" {
        tracing::warn!(
            "the PostgreSQL server has full_page_writes = off: a crash of the machine may damage its tables"
        );
    }
    if row.get::<_, i64>(4) > 0 && setting(3).is_empty() {
        tracing::warn!(
            "the PostgreSQL server has standbys that it does not wait for (synchronous_standby_names is empty): a fail-over loses what \
             it acknowledged last; subscribers receive `gap`"
        );
    }
    Ok(())
}

/// Checks that a notice of one session arrives at another one that is idle. This detects a pooler that gives sessions
/// back after each transaction: it would give the notice to whoever has the listening session then, which may be the
/// sender.
async fn check_notices(access: &Access) -> Result<(), OpenError> {
    let (notified, mut news) = mpsc::channel(1);
    let listening = access.connect(Some(notified)).await.map_err(OpenError::server)?;
    let other = access.connect(None).await.map_err(OpenError::server)?;
    let channel = format!("tidings_check_{:016x}", fastrand::u64(..));
    for (session, sql) in [(&listening, format!("LISTEN {channel}")), (&other, format!("NOTIFY {channel}"))] {
        session.client.batch_execute(&sql).await.map_err(OpenError::server)?;
    }
    match timeout(NOTICE, news.recv()).await {
        Ok(Some(_)) => Ok(()),
        _ => Err(OpenError::new(OpenErrorKind::Pooler, None)),
    }
}
