//! A connection with its prepared statements.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tidings::engine::EngineError;
use tokio::{sync::mpsc, task::AbortHandle, time::timeout};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Socket, Statement, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::log::DEADLINE;

/// The means to connect.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) config: Config,
    pub(crate) tls: Option<MakeRustlsConnect>,
    pub(crate) schema: String,
}

/// A connection that ends when it is dropped.
pub(crate) struct Session {
    pub(crate) client: Client,
    driver: AbortHandle,
    /// Whether the server reported that it did not wait for a standby, although it should have.
    unreplicated: Arc<AtomicBool>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Whether the server failed to wait for a standby since the last call.
    pub(crate) fn take_unreplicated(&self) -> bool {
        self.unreplicated.swap(false, Ordering::AcqRel)
    }
}

impl Access {
    /// Connects. Notifications are sent to `notified`.
    pub(crate) async fn connect(
        &self,
        notified: Option<mpsc::Sender<String>>,
    ) -> Result<Session, tokio_postgres::Error> {
        let session = match &self.tls {
            Some(tls) if self.config.get_ssl_mode() == SslMode::Require => {
                let (client, connection) = self.config.connect(tls.clone()).await?;
                Self::drive(client, connection, notified)
            }
            _ => {
                let (client, connection) = self.config.connect(NoTls).await?;
                Self::drive(client, connection, notified)
            }
        };
        // The schema's name was checked where it was set, so it needs no quotes. `jit` is off, because compiling a
        // statement costs tens of milliseconds, and the planner would choose it: the functions make it avoid scans of
        // whole tables, such as that of the one row of `log`.
        session.client.batch_execute(&format!("SET search_path TO {}; SET jit = off", self.schema)).await?;
        Ok(session)
    }

    fn drive<S>(
        client: Client,
        mut connection: Connection<Socket, S>,
        notified: Option<mpsc::Sender<String>>,
    ) -> Session
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let unreplicated = Arc::new(AtomicBool::new(false));
        let told = unreplicated.clone();
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    // "canceling wait for synchronous replication": the commit is on this server only.
                    AsyncMessage::Notice(notice) if notice.message().contains("synchronous replication") => {
                        told.store(true, Ordering::Release);
                    }
                    AsyncMessage::Notification(notification) => {
                        if let Some(notified) = &notified
                            && notified.try_send(notification.payload().to_owned()).is_err()
                            && notified.is_closed()
                        {
                            break;
                        }
                    }
                    _ => {}
                }
            }
        });
        Session { client, driver: driver.abort_handle(), unreplicated }
    }
}

/// The prepared statements of a session that reads.
pub(crate) struct Reader {
    pub(crate) session: Session,
    pub(crate) page: Statement,
    pub(crate) bounds: Statement,
    pub(crate) locate: Statement,
    pub(crate) moved: Statement,
    pub(crate) trim: Statement,
}

impl Reader {
    pub(crate) async fn connect(access: &Access) -> Result<Self, tokio_postgres::Error> {
        let session = access.connect(None).await?;
        let prepare = |sql| session.client.prepare(sql);
        let (page, bounds, locate, moved, trim) = tokio::try_join!(
            prepare("SELECT * FROM page($1, $2, $3)"),
            prepare("SELECT epoch, first, last, base_tag, last_tag, clock, now_ms() FROM log"),
            prepare(
                "SELECT l.epoch, l.first, l.last, tag_at(l, c.seq) FROM unnest($1::bigint[]) WITH ORDINALITY AS c (seq, place)
                 CROSS JOIN log l ORDER BY c.place"
            ),
            prepare(
                "SELECT coalesce(s.last, l.floor) FROM unnest($1::bigint[]) WITH ORDINALITY AS k (key, place)
                 CROSS JOIN log l LEFT JOIN summary s ON s.key = k.key ORDER BY k.place"
            ),
            prepare("SELECT * FROM trim_log($1, $2, $3, $4, $5, $6, $7)"),
        )?;
        Ok(Self { session, page, bounds, locate, moved, trim })
    }
}

/// A connection that is opened when it is needed, and again after it broke.
#[derive(Default)]
pub(crate) struct Pool {
    reader: tokio::sync::Mutex<Option<Arc<Reader>>>,
}

impl Pool {
    /// The connection.
    async fn reader(&self, access: &Access) -> Result<Arc<Reader>, EngineError> {
        let mut reader = self.reader.lock().await;
        if let Some(reader) = &*reader
            && !reader.session.client.is_closed()
        {
            return Ok(reader.clone());
        }
        let made = Reader::connect(access).await.map_err(|error| EngineError(error.into()))?;
        Ok(reader.insert(Arc::new(made)).clone())
    }

    /// Makes a call within a deadline. A connection that does not answer is dropped.
    pub(crate) async fn ask<T>(
        &self,
        access: &Access,
        question: impl AsyncFnOnce(&Reader) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, EngineError> {
        self.ask_within(access, DEADLINE, question).await
    }

    pub(crate) async fn ask_within<T>(
        &self,
        access: &Access,
        deadline: Duration,
        question: impl AsyncFnOnce(&Reader) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, EngineError> {
        let asked = timeout(deadline, async {
            let reader = self.reader(access).await?;
            question(&reader).await.map_err(|error| EngineError(error.into()))
        });
        match asked.await {
            Ok(answer) => answer,
            Err(elapsed) => {
                // Other callers on this connection fail when it ends, and then open a new one.
                if let Ok(mut reader) = self.reader.try_lock() {
                    *reader = None;
                }
                Err(EngineError(elapsed.into()))
            }
        }
    }

    pub(crate) async fn close(&self) {
        *self.reader.lock().await = None;
    }
}
