//! Appends as transactions, one for each group.

use std::sync::Weak;

use tidings::{
    engine::{CommitError, Committer, GroupedAppend, Receipt, RoutingKey, ServerClock},
    record::Entry,
};
use tidings_protocol::Cursor;
use tokio_postgres::{Row, Statement};

use crate::{
    log::Log,
    session::{Access, Session},
};

/// An entry as it is stored.
pub(crate) struct Stored {
    key: String,
    bytes: Vec<u8>,
    payload: i32,
    routing: Vec<i64>,
}

impl From<&Entry> for Stored {
    fn from(entry: &Entry) -> Self {
        Self {
            key: entry.key.as_str().to_owned(),
            bytes: entry.to_bytes(),
            payload: i32::try_from(entry.payload.get().len()).unwrap_or(i32::MAX),
            routing: entry.routing_keys().into_iter().map(|RoutingKey(key)| key.cast_signed()).collect(),
        }
    }
}

/// A transaction that the server reports as failed was rolled back, unless the server says that it is shutting down,
/// which may lose the answer to a commit.
fn failed(error: &tokio_postgres::Error) -> CommitError {
    let is_certain = error.code().is_some_and(|code| {
        let code = code.code();
        !(matches!(code, "57P01" | "57P02" | "57P03") || code.starts_with("08"))
    });
    if is_certain { CommitError::refused(text(error)) } else { CommitError::unknown(text(error)) }
}

fn text(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The connection for writing.
struct Connected {
    session: Session,
    append: Statement,
}

impl Connected {
    async fn to(access: &Access, clock: &mut ServerClock) -> Result<Self, tokio_postgres::Error> {
        let session = access.connect(None).await?;
        // A group that waits for a synchronous standby waits for its own deadline, even if the application's statements
        // have a shorter timeout.
        session.client.batch_execute("SET statement_timeout = 0").await?;
        let append = session.client.prepare("SELECT * FROM append($1, $2, $3, $4, $5, $6, $7)").await?;
        let row = session.client.query_one("SELECT now_ms()", &[]).await?;
        *clock = ServerClock::default();
        clock.heard(row.get(0));
        Ok(Self { session, append })
    }
}

/// Writes the appends of one handle.
pub(crate) struct Writer {
    log: Weak<Log>,
    access: Access,
    connected: Option<Connected>,
    clock: ServerClock,
}

impl Writer {
    pub(crate) fn new(log: Weak<Log>, access: Access) -> Self {
        Self { log, access, connected: None, clock: ServerClock::default() }
    }
}

impl Committer for Writer {
    type Stored = Stored;

    fn bytes(stored: &Stored) -> usize {
        stored.bytes.len()
    }

    async fn commit(&mut self, appends: &[GroupedAppend<Stored>]) -> Result<Vec<Option<Receipt>>, CommitError> {
        let Self { access, connected, clock, .. } = self;
        if connected.as_ref().is_none_or(|connected| connected.session.client.is_closed()) {
            *connected = None;
            let made = Connected::to(access, clock).await;
            // Nothing was sent.
            *connected = Some(made.map_err(|error| CommitError::refused(text(&error)))?);
        }
        let Some(Connected { session, append }) = connected.as_ref() else {
            return Err(CommitError::refused("there is no connection to the PostgreSQL server"));
        };
        let all = || appends.iter().flat_map(GroupedAppend::entries);
        let keys: Vec<_> = all().map(|stored| stored.key.as_str()).collect();
        let entries: Vec<_> = all().map(|stored| stored.bytes.as_slice()).collect();
        let tags: Vec<_> = all().map(|_| i64::from(fastrand::u32(1..))).collect();
        let payloads: Vec<_> = all().map(|stored| stored.payload).collect();
        let counts: Vec<_> = all().map(|stored| i32::try_from(stored.routing.len()).unwrap_or(i32::MAX)).collect();
        let routing: Vec<_> = all().flat_map(|stored| stored.routing.iter().copied()).collect();
        let deadlines = appends.iter().flat_map(|append| {
            let deadline = clock.at(append.deadline());
            append.entries().iter().map(move |_| deadline)
        });
        let deadlines: Vec<_> = deadlines.collect();
        let _ = session.take_unreplicated();
        let rows =
            session.client.query(append, &[&keys, &entries, &tags, &payloads, &counts, &routing, &deadlines]).await;
        let rows = rows.map_err(|error| failed(&error))?;
        if session.take_unreplicated() {
            return Err(CommitError::unknown("the server did not wait for its synchronous standby"));
        }
        if let Some(row) = rows.last() {
            clock.heard(row.get(4));
        }
        Ok(rows.iter().map(receipt).collect())
    }

    fn committed(&self, last: u64) {
        if let Some(log) = self.log.upgrade() {
            log.grew(last);
        }
    }

    fn disconnect(&mut self) {
        self.connected = None;
    }
}

/// The receipt of an entry; `None` where the deadline had passed.
fn receipt(row: &Row) -> Option<Receipt> {
    let seq: Option<i64> = row.get(0);
    let small = |index| u32::try_from(row.get::<_, i64>(index)).unwrap_or_default();
    let cursor = Cursor { epoch: small(3), seq: u64::try_from(seq?).ok()?, tag: small(1) };
    Some(Receipt { cursor, duplicate: row.get(2) })
}
