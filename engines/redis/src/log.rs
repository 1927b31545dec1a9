//! Reading and trimming.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use redis::{Client, FromRedisValue, ScriptInvocation};
use tidings::{
    engine::{AgeClock, Bounds, EngineError, Limit, Location, Pages, ReadError, RoutingKey, Trim},
    record::{Entry, Record},
};
use tidings_protocol::Cursor;
use tokio::sync::watch;

use crate::{
    builder::{Settings, VERSION},
    link::{self, CREATE, Failed, LOCATE, Link, PAGE, TRIM},
};

/// How long one call to the server may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(8);
/// How long a page of a tail may take, so that the hub learns of a dead server within 5 s.
pub(crate) const TAIL_DEADLINE: Duration = Duration::from_secs(2);
/// The most records in one page, because the server does nothing else meanwhile; a longer read consists of several
/// pages.
const PAGE_RECORDS: usize = 1_000;
/// The most records that one step of trimming removes, for the same reason.
const TRIM_RECORDS: u64 = 1_000;
/// A script cannot tell larger numbers apart; no log gets there.
const MOST: u64 = 1 << 53;

/// The keys of a log. The name in braces keeps them in one hash slot.
pub(crate) struct Keys {
    pub(crate) log: String,
    pub(crate) keys: String,
    pub(crate) head: String,
    summary: String,
    tags: String,
    pub(crate) metadata: String,
}

impl Keys {
    pub(crate) fn of(name: &str) -> Self {
        let key = |what| format!("{{{name}}}{what}");
        Self {
            log: key("log"),
            keys: key("keys"),
            head: key("head"),
            summary: key("summary"),
            tags: key("tags"),
            metadata: key("metadata"),
        }
    }
}

/// The state that the handle and its tasks share.
pub(crate) struct Log {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) keys: Keys,
    /// The connection for pages, which may take long.
    pages: Link,
    /// The connection for all other calls.
    pub(crate) short: Link,
    /// The number up to which this handle knows the log; tails wait for it to grow.
    pub(crate) grown: watch::Sender<u64>,
    clock: Mutex<Option<AgeClock>>,
    closed: AtomicBool,
}

pub(crate) fn closed() -> EngineError {
    EngineError("the log was closed".into())
}

/// A script's answer: the bounds of the log, the time of its last trimming, and the present time.
struct Head {
    bounds: Bounds,
    clock_ms: u64,
    now_ms: u64,
}

type HeadTexts = (u32, u64, u64, u32, u32, u64, u64, Vec<Option<u32>>);
type PageTexts = (u32, u64, u64, u32, u32, Option<u32>, Vec<RowTexts>);
/// The stream's identifier, and the record's fields: the name and the value of each.
type RowTexts = (String, (Vec<u8>, Vec<u8>, Vec<u8>, Vec<u8>));

/// A record as `append.lua` stores it.
struct Row {
    seq: u64,
    tag: u32,
    /// The tag of the record before it.
    follows: u32,
    /// The routing keys, separated by commas.
    routing: String,
    entry: Vec<u8>,
}

impl Row {
    /// `None` where the fields are not what `append.lua` writes.
    fn parse((id, (_, meta, _, entry)): RowTexts) -> Option<Self> {
        let seq = id.split('-').next()?.parse().ok()?;
        let mut parts = std::str::from_utf8(&meta).ok()?.splitn(7, ' ').skip(1);
        let (tag, follows) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { seq, tag, follows, routing: parts.nth(2)?.to_owned(), entry })
    }
}

fn bounds(epoch: u32, first: u64, last: u64, base_tag: u32, last_tag: u32) -> Bounds {
    Bounds { epoch, first, last, base_tag: Some(base_tag), last_tag: Some(last_tag) }
}

/// Where a cursor lies in a log with these bounds and this tag at the cursor's number.
fn location(log: &Bounds, tag: Option<u32>, cursor: Cursor) -> Location {
    if cursor.epoch != log.epoch {
        return Location::Epoch;
    }
    if cursor.seq > log.last {
        return Location::Diverged;
    }
    match tag {
        Some(tag) if tag != cursor.tag => Location::Diverged,
        None if cursor.seq >= log.first => Location::Diverged,
        None => Location::Forgotten,
        Some(_) if cursor.seq < log.first - 1 => Location::Trimmed,
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
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        Self {
            keys: Keys::of(&settings.name),
            pages: Link::new(client.clone()),
            short: Link::new(client.clone()),
            client,
            settings,
            grown: watch::Sender::new(0),
            clock: Mutex::default(),
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

    /// Creates the log if it does not exist. Returns its version.
    pub(crate) async fn create(&self) -> Result<u32, Failed> {
        let Keys { log, keys, head, summary, tags, .. } = &self.keys;
        let mut call = CREATE.prepare_invoke();
        call.key(log).key(keys).key(head).key(summary).key(tags);
        call.arg(VERSION).arg(fastrand::u32(1..));
        self.short.run(DEADLINE, &call).await
    }

    /// Runs a script that reads the log. A server that lost all its data has no log any more; a new log then begins,
    /// and every stream learns of it.
    async fn run<T: FromRedisValue>(
        &self,
        link: &Link,
        deadline: Duration,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, EngineError> {
        self.check_open()?;
        match link.run(deadline, call).await {
            Err(Failed::Server(error)) if link::is_gone(&error) => {
                tracing::error!(name = %self.settings.name, "the Redis server has lost the log; a new one begins");
                self.create().await?;
                Ok(link.run(deadline, call).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn head(&self, seqs: impl Iterator<Item = u64>) -> Result<(Head, Vec<Option<u32>>), EngineError> {
        let mut call = LOCATE.prepare_invoke();
        call.key(&self.keys.log).key(&self.keys.tags).key(&self.keys.head);
        for seq in seqs {
            call.arg(seq.min(MOST));
        }
        let (epoch, first, last, base_tag, last_tag, clock_ms, now_ms, tags): HeadTexts =
            self.run(&self.short, DEADLINE, &call).await?;
        Ok((Head { bounds: bounds(epoch, first, last, base_tag, last_tag), clock_ms, now_ms }, tags))
    }

    pub(crate) async fn bounds(&self) -> Result<Bounds, EngineError> {
        Ok(self.head(std::iter::empty()).await?.0.bounds)
    }

    pub(crate) async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let (head, tags) = self.head(cursors.iter().map(|cursor| cursor.seq)).await?;
        let tags = tags.into_iter().chain(std::iter::repeat(None));
        Ok(cursors.iter().zip(tags).map(|(cursor, tag)| location(&head.bounds, tag, *cursor)).collect())
    }

    pub(crate) async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        let (head, tags) = self.head(std::iter::once(seq)).await?;
        let log = head.bounds;
        let is_held = (log.first - 1..=log.last).contains(&seq);
        Ok(tags.first().copied().flatten().filter(|_| is_held).map(|tag| Cursor { epoch: log.epoch, seq, tag }))
    }

    pub(crate) async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        self.check_open()?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut scores = redis::cmd("ZMSCORE");
        scores.arg(&self.keys.summary);
        for RoutingKey(key) in keys {
            scores.arg(key.cast_signed());
        }
        let mut both = redis::pipe();
        // As numbers of 64 bits the scores would be rounded; as text they are exact.
        both.atomic().add_command(scores).cmd("HGET").arg(&self.keys.head).arg("floor");
        let answer = self.short.ask(DEADLINE, async |connection| both.query_async(connection).await);
        let (scores, floor): (Vec<Option<f64>>, Option<u64>) = answer.await?;
        let floor = floor.ok_or_else(|| EngineError("the log does not exist on this server".into()))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of records, below 2^53")]
        Ok(scores.into_iter().map(|score| score.map_or(floor, |score| score as u64)).collect())
    }

    pub(crate) async fn trim(&self) -> Result<Trim, EngineError> {
        let (head, _) = self.head(std::iter::empty()).await?;
        let now = {
            let mut clock = self.clock.lock();
            clock.get_or_insert_with(|| AgeClock::starting_at(head.clock_ms)).follow(head.now_ms)
        };
        let Keys { log, keys, head, summary, tags, .. } = &self.keys;
        let Settings { retention, summary_keys, summary_tags, .. } = &self.settings;
        let age = u64::try_from(retention.age.as_millis()).unwrap_or(MOST);
        let mut call = TRIM.prepare_invoke();
        call.key(log).key(keys).key(head).key(summary).key(tags);
        for number in [retention.records, retention.bytes, age, TRIM_RECORDS, *summary_keys, *summary_tags, now] {
            call.arg(number.min(MOST));
        }
        let (removed, more): (u64, u8) = self.run(&self.short, DEADLINE, &call).await?;
        Ok(Trim { removed, more: more == 1 })
    }

    pub(crate) async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        let mut records = self.page(after, limit, DEADLINE).await?;
        // A read longer than a page continues after it. The next read reports an error found there.
        while let Some(last) = records.last()
            && records.len().is_multiple_of(PAGE_RECORDS)
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
        let mut call = PAGE.prepare_invoke();
        call.key(&self.keys.log).key(&self.keys.tags).key(&self.keys.head);
        call.arg(after.seq.min(MOST)).arg(limit.records.min(PAGE_RECORDS)).arg((limit.bytes as u64).min(MOST));
        let (epoch, first, last, base_tag, last_tag, tag, rows): PageTexts =
            self.run(&self.pages, deadline, &call).await?;
        let log = bounds(epoch, first, last, base_tag, last_tag);
        match location(&log, tag, after) {
            Location::Held => {}
            Location::Trimmed => return Err(ReadError::Trimmed { base: log.base() }),
            Location::Forgotten => return Err(ReadError::Forgotten),
            Location::Diverged => return Err(ReadError::Diverged),
            Location::Epoch => return Err(ReadError::Epoch),
        }
        self.grew(log.last);
        // What cannot be parsed counts as missing.
        let rows: Vec<_> = rows.into_iter().filter_map(Row::parse).collect();
        if rows.is_empty() && after.seq < log.last && limit.records > 0 {
            return Err(self.damaged(after.seq + 1, log.end(), None));
        }
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
        Ok(records)
    }

    /// The record of a row, if it follows `before` and is intact.
    fn record(&self, Row { seq, tag, follows, routing, entry }: Row, before: Cursor) -> Result<Record, ReadError> {
        if seq != before.seq + 1 {
            // Rows are missing. The next row names the tag that it follows.
            return Err(self.damaged(before.seq + 1, Cursor { seq: seq - 1, tag: follows, ..before }, None));
        }
        let at = Cursor { seq, tag, ..before };
        if follows != before.tag {
            return Err(self.damaged(seq, at, None));
        }
        match Entry::from_bytes(&entry) {
            Ok(entry) => Ok(Record { seq, tag, entry: Arc::new(entry) }),
            Err(_) => {
                let keys = routing.split(',').filter_map(|key| key.parse::<i64>().ok());
                Err(self.damaged(seq, at, Some(keys.map(|key| RoutingKey(key.cast_unsigned())).collect())))
            }
        }
    }

    fn damaged(&self, from: u64, through: Cursor, keys: Option<Vec<RoutingKey>>) -> ReadError {
        let whom = if keys.is_some() { "streams of their routing keys" } else { "all streams" };
        tracing::error!(
            name = %self.settings.name, from, through = through.seq, concerns = whom,
            remedy = "restore a backup, or keep the log as it is: subscribers that may have missed events receive `gap`",
            "records of the log are damaged or missing and cannot be delivered"
        );
        ReadError::Damaged { through, keys }
    }
}
