//! Reading and trimming.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tidings::{
    engine::{AgeClock, Bounds, EngineError, Limit, Location, Pages, ReadError, RoutingKey, Trim},
    record::{Entry, Record},
};
use tidings_protocol::Cursor;
use tokio::sync::watch;
use tokio_postgres::Row;

use crate::{
    builder::Settings,
    session::{Access, Pool},
};

/// How long one call to the server may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(8);
/// How long a page of a tail, or a poll of the log's end, may take, so that the hub learns of a dead server within 5 s.
pub(crate) const TAIL_DEADLINE: Duration = Duration::from_secs(2);
/// The most records in one page; a longer read consists of several pages.
const PAGE: usize = 5_000;
/// The most records that one step of trimming removes, so that appends wait for some tens of milliseconds.
const TRIM: i64 = 2_000;

/// The state that the handle and its tasks share.
pub(crate) struct Log {
    pub(crate) access: Access,
    pub(crate) settings: Settings,
    /// The connection for pages, which may take long.
    pages: Pool,
    /// The connection for all other calls.
    pub(crate) short: Pool,
    /// The number up to which this handle knows the log; tails wait for it to grow.
    pub(crate) grown: watch::Sender<u64>,
    clock: Mutex<AgeClock>,
    closed: AtomicBool,
}

pub(crate) fn closed() -> EngineError {
    EngineError("the log was closed".into())
}

/// Converts a number to a column's value; `number` converts it back.
pub(crate) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(column: i64) -> u64 {
    u64::try_from(column).unwrap_or_default()
}

fn small(column: i64) -> u32 {
    u32::try_from(column).unwrap_or_default()
}

fn bounds(row: &Row) -> Bounds {
    let tag = |index| row.get::<_, Option<i64>>(index).map(small);
    Bounds {
        epoch: small(row.get(0)),
        first: number(row.get(1)),
        last: number(row.get(2)),
        base_tag: tag(3),
        last_tag: tag(4),
    }
}

/// Where a cursor lies in a log with these bounds and this tag at the cursor's number.
fn location(epoch: u32, first: u64, last: u64, tag: Option<u32>, cursor: Cursor) -> Location {
    if cursor.epoch != epoch {
        return Location::Epoch;
    }
    if cursor.seq > last {
        return Location::Diverged;
    }
    match tag {
        Some(tag) if tag != cursor.tag => Location::Diverged,
        None if cursor.seq >= first => Location::Diverged,
        None => Location::Forgotten,
        Some(_) if cursor.seq < first - 1 => Location::Trimmed,
        Some(_) => Location::Held,
    }
}

impl Pages for Log {
    fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    async fn tail_page(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        self.page(after, limit, TAIL_DEADLINE).await
    }
}

impl Log {
    pub(crate) fn new(access: Access, settings: Settings, last: u64, clock_ms: u64) -> Self {
        Self {
            access,
            settings,
            pages: Pool::default(),
            short: Pool::default(),
            grown: watch::Sender::new(last),
            clock: Mutex::new(AgeClock::starting_at(clock_ms)),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the tails, which check whether the engine has ended.
        self.grown.send_modify(|_| {});
    }

    /// Drops the connections.
    pub(crate) async fn disconnect(&self) {
        self.pages.close().await;
        self.short.close().await;
    }

    pub(crate) fn check_open(&self) -> Result<(), EngineError> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    /// Reports that the log goes at least as far as this.
    pub(crate) fn grew(&self, to: u64) {
        self.grown.send_if_modified(|grown| std::mem::replace(grown, to.max(*grown)) < to);
    }

    pub(crate) async fn bounds(&self) -> Result<Bounds, EngineError> {
        Ok(bounds(&self.log_row().await?))
    }

    async fn log_row(&self) -> Result<Row, EngineError> {
        self.check_open()?;
        let row =
            self.short.ask(&self.access, async |reader| reader.session.client.query_opt(&reader.bounds, &[]).await);
        row.await?.ok_or_else(|| EngineError("the log does not exist in this schema".into()))
    }

    pub(crate) async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let seqs: Vec<_> = cursors.iter().map(|cursor| column(cursor.seq)).collect();
        let rows = self.tags(seqs).await?;
        let located = cursors
            .iter()
            .zip(rows)
            .map(|(cursor, Tagged { epoch, first, last, tag })| location(epoch, first, last, tag, *cursor));
        Ok(located.collect())
    }

    pub(crate) async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        let found = self.tags(vec![column(seq)]).await?;
        let held = found.first().filter(|found| (found.first - 1..=found.last).contains(&seq));
        Ok(held.and_then(|found| Some(Cursor { epoch: found.epoch, seq, tag: found.tag? })))
    }

    async fn tags(&self, seqs: Vec<i64>) -> Result<Vec<Tagged>, EngineError> {
        self.check_open()?;
        let asked = seqs.len();
        let rows =
            self.short.ask(&self.access, async |reader| reader.session.client.query(&reader.locate, &[&seqs]).await);
        let rows = rows.await?;
        if rows.len() != asked {
            return Err(EngineError("the log does not exist in this schema".into()));
        }
        let tagged = |row: &Row| Tagged {
            epoch: small(row.get(0)),
            first: number(row.get(1)),
            last: number(row.get(2)),
            tag: row.get::<_, Option<i64>>(3).map(small),
        };
        Ok(rows.iter().map(tagged).collect())
    }

    pub(crate) async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        self.check_open()?;
        let keys: Vec<_> = keys.iter().map(|RoutingKey(key)| key.cast_signed()).collect();
        let rows =
            self.short.ask(&self.access, async |reader| reader.session.client.query(&reader.moved, &[&keys]).await);
        let rows = rows.await?;
        if rows.len() != keys.len() {
            return Err(EngineError("the log does not exist in this schema".into()));
        }
        Ok(rows.iter().map(|row| number(row.get(0))).collect())
    }

    pub(crate) async fn trim(&self) -> Result<Trim, EngineError> {
        let row = self.log_row().await?;
        let now = self.clock.lock().follow(number(row.get(6)));
        let retention = &self.settings.retention;
        let age = u64::try_from(retention.age.as_millis()).unwrap_or(u64::MAX);
        let numbers = [
            column(retention.records),
            column(retention.bytes),
            column(now.saturating_sub(age)),
            TRIM,
            column(self.settings.summary_keys),
            column(self.settings.summary_tags),
            column(now),
        ];
        let [records, bytes, oldest, most, keys, tags, clock] = &numbers;
        let row = self.short.ask(&self.access, async |reader| {
            let client = &reader.session.client;
            client.query_one(&reader.trim, &[records, bytes, oldest, most, keys, tags, clock]).await
        });
        let row = row.await?;
        Ok(Trim { removed: number(row.get(0)), more: row.get(1) })
    }

    pub(crate) async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        let mut records = self.page(after, limit, DEADLINE).await?;
        // A read longer than a page continues after it. The next read reports an error found there.
        while let Some(last) = records.last()
            && records.len() >= PAGE
            && records.len() < limit.records
        {
            let taken: usize = records.iter().map(|record| record.entry.payload.get().len()).sum();
            if taken >= limit.bytes {
                break;
            }
            let rest = Limit { records: limit.records - records.len(), bytes: limit.bytes - taken };
            let next = Cursor { seq: last.seq, tag: last.tag, ..after };
            match self.page(next, rest, DEADLINE).await {
                Ok(page) if !page.is_empty() => records.extend(page),
                _ => break,
            }
        }
        Ok(records)
    }

    /// One page of the records after `after`.
    pub(crate) async fn page(&self, after: Cursor, limit: Limit, deadline: Duration) -> Result<Vec<Record>, ReadError> {
        self.check_open()?;
        let (seq, count) = (column(after.seq), column(limit.records.min(PAGE) as u64));
        let bytes = column(limit.bytes as u64);
        let rows = self.pages.ask_within(&self.access, deadline, async |reader| {
            reader.session.client.query(&reader.page, &[&seq, &count, &bytes]).await
        });
        let rows = rows.await?;
        let Some((head, rows)) = rows.split_first() else {
            return Err(EngineError("the log does not exist in this schema".into()).into());
        };
        let log = bounds(head);
        let tag = head.get::<_, Option<i64>>(6).map(small);
        match location(log.epoch, log.first, log.last, tag, after) {
            Location::Held => {}
            Location::Trimmed => return Err(ReadError::Trimmed { base: log.base() }),
            Location::Forgotten => return Err(ReadError::Forgotten),
            Location::Diverged => return Err(ReadError::Diverged),
            Location::Epoch => return Err(ReadError::Epoch),
        }
        self.grew(log.last);
        let mut records: Vec<Record> = Vec::with_capacity(rows.len());
        for row in rows {
            let before = records.last().map_or(after, |last| Cursor { seq: last.seq, tag: last.tag, ..after });
            match self.record(row, before) {
                Ok(record) => records.push(record),
                // The records before the damage are returned first.
                Err(_) if !records.is_empty() => break,
                Err(damage) => return Err(damage),
            }
        }
        if rows.is_empty() && after.seq < log.last && limit.records > 0 {
            return Err(self.damaged(after.seq + 1, log.end(), None));
        }
        Ok(records)
    }

    /// The record of a row, if it follows `before` and is intact.
    fn record(&self, row: &Row, before: Cursor) -> Result<Record, ReadError> {
        let (seq, tag) = (number(row.get(5)), small(row.get(6)));
        let follows: Option<i64> = row.get(7);
        if seq != before.seq + 1 {
            // Rows are missing. The next row names the tag that it follows.
            let through = Cursor { seq: seq - 1, tag: follows.map(small).unwrap_or_default(), ..before };
            return Err(self.damaged(before.seq + 1, through, None));
        }
        let at = Cursor { seq, tag, ..before };
        if follows.map(small) != Some(before.tag) {
            return Err(self.damaged(seq, at, None));
        }
        match Entry::from_bytes(row.get(9)) {
            Ok(entry) => Ok(Record { seq, tag, entry: Arc::new(entry) }),
            Err(_) => {
                let keys: Vec<i64> = row.get(8);
                Err(self.damaged(seq, at, Some(keys.into_iter().map(|key| RoutingKey(key.cast_unsigned())).collect())))
            }
        }
    }

    fn damaged(&self, from: u64, through: Cursor, keys: Option<Vec<RoutingKey>>) -> ReadError {
        let whom = if keys.is_some() { "streams of their routing keys" } else { "all streams" };
        tracing::error!(
            schema = %self.settings.schema, from, through = through.seq, concerns = whom,
            remedy = "look with pg_amcheck and at the table `records`, and restore a backup or keep the log as it is",
            "records of the log are damaged or missing and cannot be delivered"
        );
        ReadError::Damaged { through, keys }
    }
}

/// A number of the log with its tag.
struct Tagged {
    epoch: u32,
    first: u64,
    last: u64,
    tag: Option<u32>,
}
