//! The transport between hubs of one log: a table of messages, which their receivers delete as they read them, and
//! notices that a message has arrived. A notice carries no message, because it may have at most 8,000 bytes, and a call
//! may be longer.

use std::time::Duration;

use async_trait::async_trait;
use tidings::{
    engine::{EngineError, Source},
    peers::{Inbox, NodeId, Post},
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_postgres::types::Type;

use crate::{
    log::TAIL_DEADLINE,
    session::{Access, Pool},
};

/// How long a node counts as alive after its last announcement.
const LEASE_MS: i64 = 10_000;
/// A mailbox is read after this much silence, which detects a dead connection.
const LOOK: Duration = Duration::from_secs(2);
/// The delay before the server is asked again after a failure.
const PAUSE: Duration = Duration::from_millis(250);

/// The table of messages, and the list of nodes.
pub(crate) struct Mail {
    access: Access,
    pool: Pool,
    mailbox: i64,
}

impl Mail {
    pub(crate) fn new(access: Access) -> Self {
        Self { access, pool: Pool::default(), mailbox: fastrand::i64(..) }
    }

    /// The task that reads a mailbox, for ever.
    pub(crate) fn listen(&self, inbox: Inbox<Self>) -> impl Future<Output = ()> + Send + use<> {
        let (access, mailbox) = (self.access.clone(), self.mailbox);
        async move {
            loop {
                // Errors are ignored here, because the deadlines of the callers report them.
                let _ = listen_once(&access, mailbox, &inbox).await;
                sleep(PAUSE).await;
            }
        }
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

async fn listen_once(access: &Access, mailbox: i64, inbox: &Inbox<Mail>) -> Option<()> {
    let (notified, mut news) = mpsc::channel(256);
    let (session, take) = timeout(TAIL_DEADLINE, async {
        let session = access.connect(Some(notified)).await?;
        // The lock is held as long as this session, and shows that the mailbox has a reader.
        session.client.query_typed("SELECT pg_advisory_lock($1)", &[(&mailbox, Type::INT8)]).await?;
        session.client.batch_execute(&format!("LISTEN tidings_mail_{mailbox:x}")).await?;
        let take = session.client.prepare("DELETE FROM mail WHERE mailbox = $1 RETURNING body").await?;
        Ok::<_, tokio_postgres::Error>((session, take))
    })
    .await
    .ok()?
    .ok()?;
    loop {
        let rows = timeout(TAIL_DEADLINE, session.client.query(&take, &[&mailbox])).await.ok()?.ok()?;
        for row in rows {
            inbox.take(row.get(0));
        }
        if let Ok(None) = timeout(LOOK, news.recv()).await {
            return None;
        }
        // One read takes all messages that have arrived by now.
        while news.try_recv().is_ok() {}
    }
}

#[async_trait]
impl Post for Mail {
    fn address(&self) -> String {
        self.mailbox.to_string()
    }

    async fn announce(&self, nodes: &[NodeId], place: &str) -> Result<(), Source> {
        let nodes: Vec<_> = nodes.iter().map(|node| i64::from(node.0)).collect();
        let said = self.pool.ask(&self.access, async |reader| {
            let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
                [(&nodes, Type::INT8_ARRAY), (&place, Type::TEXT), (&LEASE_MS, Type::INT8)];
            reader.session.client.query_typed("SELECT announce($1, $2, $3)", &parameters).await
        });
        said.await.map(drop).map_err(|EngineError(source)| source)
    }

    async fn places(&self) -> Result<Vec<(NodeId, String)>, Source> {
        let rows = self.pool.ask(&self.access, async |reader| {
            let sql = "SELECT node, place FROM nodes WHERE expires > now_ms()";
            reader.session.client.query_typed(sql, &[]).await
        });
        let rows = rows.await.map_err(|EngineError(source)| source)?;
        let nodes = rows.iter().map(|row| Ok((NodeId(u32::try_from(row.get::<_, i64>(0))?), row.get(1))));
        nodes.collect()
    }

    async fn send(&self, address: &str, sealed: Vec<u8>) -> Result<bool, Source> {
        let mailbox: i64 = address.parse()?;
        let rows = self.pool.ask(&self.access, async |reader| {
            let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
                [(&mailbox, Type::INT8), (&sealed, Type::BYTEA)];
            reader.session.client.query_typed("SELECT post($1, $2)", &parameters).await
        });
        let rows = rows.await.map_err(|EngineError(source)| source)?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }
}
