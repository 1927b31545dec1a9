//! Reading and trimming.
//!
//! The summary is one message of the metadata's stream. Where it says that the log begins, the log begins: so the
//! removal of records and their summary are one write, which compares and sets, and the purge of the stream only
//! follows it. A purge that failed is repeated by the next step that removes something.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::HeaderMap;
use futures_util::{StreamExt, future::try_join_all};
use serde_json::{Value, json};
use tidings::{
    engine::{Bounds, EngineError, Limit, Location, Pages, ReadError, RoutingKey, Trim},
    record::{Entry, Record},
};
use tidings_protocol::Cursor;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use crate::{
    WINDOW,
    api::{Api, Failed, Stored, failed},
    summary::Trimmed,
};

/// The header with a record's tag.
pub(crate) const TAG: &str = "Tidings-Tag";
/// The stream exists with other settings: here, with another random epoch.
const EXISTS: u64 = 10_058;
/// The most records of one page, and of one step of trimming.
const PAGE: usize = 1_000;
/// How often a replica that lags behind is asked again, and after what time.
const TRIES: usize = 50;
const PAUSE: Duration = Duration::from_millis(20);
/// How often the server says that a consumer lives, and how long a consumer may say nothing.
const HEARTBEAT: Duration = Duration::from_secs(2);
const SILENCE: Duration = Duration::from_secs(6);

pub(crate) struct Log {
    pub(crate) api: Api,
    pub(crate) epoch: u32,
    pub(crate) url: String,
    pub(crate) records: u64,
    grown: watch::Sender<u64>,
    closed: AtomicBool,
}

fn tag(headers: &HeaderMap) -> Option<u32> {
    headers.get(TAG)?.as_str().parse().ok()
}

impl Log {
    pub(crate) async fn open(url: &str, name: &str, records: u64) -> Result<Self, Failed> {
        let client = async_nats::connect(url).await.map_err(failed)?;
        let api = Api { client, stream: name.to_owned() };
        let log = json!({
            "name": name, "subjects": [format!("{name}.log")], "discard": "old", "num_replicas": 1,
            "allow_direct": true, "allow_atomic": true, "duplicate_window": nanos(WINDOW),
            "metadata": {"tidings-epoch": fastrand::u32(1..).to_string()},
        });
        let meta = json!({
            "name": format!("{name}_meta"), "subjects": [format!("{name}_meta.>")], "max_msgs_per_subject": 1,
            "num_replicas": 1,
        });
        let create = |settings: Value| {
            let subject = format!("STREAM.CREATE.{}", settings["name"].as_str().unwrap_or_default());
            let api = &api;
            async move {
                match api.call(&subject, &settings).await {
                    Err(Failed { code: EXISTS, .. }) => Ok(()),
                    made => made.map(drop),
                }
            }
        };
        create(meta).await?;
        create(log).await?;
        let info = api.call(&format!("STREAM.INFO.{name}"), &json!({})).await?;
        // An older server ignores what it does not know, and stores the messages of a batch one by one.
        if info["config"]["allow_atomic"] != true {
            return Err(failed("the NATS server is older than 2.12: it has no atomic batches"));
        }
        let (epoch, _) = state(&info)?;
        Ok(Self {
            api,
            epoch,
            url: url.to_owned(),
            records,
            grown: watch::Sender::new(0),
            closed: AtomicBool::new(false),
        })
    }

    pub(crate) fn subject(&self) -> String {
        format!("{}.log", self.api.stream)
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Wakes the tails, which check whether the log was closed.
        self.grown.send_modify(|_| {});
    }

    pub(crate) fn check_open(&self) -> Result<(), Failed> {
        if self.closed.load(Ordering::Acquire) { Err(failed("the log was closed")) } else { Ok(()) }
    }

    pub(crate) fn grew(&self, to: u64) {
        self.grown.send_if_modified(|grown| std::mem::replace(grown, to.max(*grown)) < to);
    }

    /// The epoch and the last number, from the stream's leader.
    async fn state(&self) -> Result<(u32, u64), Failed> {
        self.check_open()?;
        state(&self.api.call(&format!("STREAM.INFO.{}", self.api.stream), &json!({})).await?)
    }

    fn summary(&self) -> String {
        format!("{}_meta.summary", self.api.stream)
    }

    /// What was trimmed, and the number of the message that says so.
    async fn trimmed(&self) -> Result<(u64, Trimmed), Failed> {
        let (revision, summary) = self.last_of(&self.summary()).await?;
        Ok((revision, summary.map_or_else(|| Ok(Trimmed::default()), |bytes| Trimmed::parse(&bytes))?))
    }

    /// The tag at a number that the stream assigned; `None` if the record was trimmed and its tag is forgotten.
    pub(crate) async fn tag_of(&self, seq: u64) -> Result<Option<u32>, Failed> {
        for _ in 0..TRIES {
            let page = self.api.page(seq, 1).await?;
            if let Some(stored) = page.first().filter(|stored| stored.seq == seq) {
                return tag(&stored.headers).map(Some).ok_or_else(|| failed("a record without a tag"));
            }
            let (_, trimmed) = self.trimmed().await?;
            if seq <= trimmed.up_to {
                return Ok(trimmed.tag(seq));
            }
            sleep(PAUSE).await;
        }
        Err(failed(format!("no replica has the record {seq}")))
    }

    pub(crate) async fn bounds(&self) -> Result<Bounds, EngineError> {
        // In this order, the log never ends before it begins.
        let (_, trimmed) = self.trimmed().await?;
        let (epoch, last) = self.state().await?;
        let base_tag = trimmed.tag(trimmed.up_to);
        let last_tag = if last == trimmed.up_to { base_tag } else { self.tag_of(last).await? };
        Ok(Bounds { epoch, first: trimmed.up_to + 1, last, base_tag, last_tag })
    }

    pub(crate) async fn at(&self, seq: u64) -> Result<Option<Cursor>, EngineError> {
        let (_, trimmed) = self.trimmed().await?;
        let (epoch, last) = self.state().await?;
        let is_held = (trimmed.up_to..=last).contains(&seq);
        let tag = match seq {
            _ if !is_held => None,
            _ if seq == trimmed.up_to => trimmed.tag(seq),
            _ => self.tag_of(seq).await?,
        };
        Ok(tag.map(|tag| Cursor { epoch, seq, tag }))
    }

    pub(crate) async fn locate(&self, cursors: &[Cursor]) -> Result<Vec<Location>, EngineError> {
        let (_, trimmed) = &self.trimmed().await?;
        let (epoch, last) = self.state().await?;
        let locate = |cursor: Cursor| async move {
            Ok::<_, Failed>(match cursor {
                _ if cursor.epoch != epoch => Location::Epoch,
                _ if cursor.seq > last => Location::Diverged,
                _ if cursor.seq <= trimmed.up_to => trimmed.locate(cursor),
                _ if self.tag_of(cursor.seq).await? == Some(cursor.tag) => Location::Held,
                _ => Location::Diverged,
            })
        };
        Ok(try_join_all(cursors.iter().map(|cursor| locate(*cursor))).await?)
    }

    pub(crate) async fn moved(&self, keys: &[RoutingKey]) -> Result<Vec<u64>, EngineError> {
        let (_, trimmed) = self.trimmed().await?;
        Ok(keys.iter().map(|RoutingKey(key)| *trimmed.keys.get(key).unwrap_or(&trimmed.floor)).collect())
    }

    /// The records after a cursor. A page begins with the cursor's own record, which shows its tag in the same trip.
    pub(crate) async fn read(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        let (epoch, last) = self.state().await.map_err(EngineError::from)?;
        if after.epoch != epoch {
            return Err(ReadError::Epoch);
        }
        if after.seq > last {
            return Err(ReadError::Diverged);
        }
        let (mut records, mut bytes, mut at) = (Vec::<Record>::new(), 0, after);
        for _ in 0..TRIES {
            let count = limit.records.saturating_sub(records.len()).min(PAGE) + 1;
            let page = self.api.page(at.seq.max(1), count).await.map_err(EngineError::from)?;
            let mut page = page.into_iter().peekable();
            match page.next_if(|stored| stored.seq == at.seq) {
                Some(stored) if tag(&stored.headers) != Some(at.tag) => return Err(ReadError::Diverged),
                Some(_) => {}
                // It was trimmed, or this replica lags behind.
                None => {
                    let (_, trimmed) = self.trimmed().await.map_err(EngineError::from)?;
                    if at.seq <= trimmed.up_to {
                        let base = Cursor { seq: trimmed.up_to, tag: trimmed.tag(trimmed.up_to).unwrap_or(0), epoch };
                        match trimmed.locate(at) {
                            Location::Held => {}
                            _ if !records.is_empty() => return Ok(records),
                            Location::Trimmed => return Err(ReadError::Trimmed { base }),
                            Location::Forgotten => return Err(ReadError::Forgotten),
                            _ => return Err(ReadError::Diverged),
                        }
                    } else {
                        sleep(PAUSE).await;
                        continue;
                    }
                }
            }
            let from = at.seq;
            while records.len() < limit.records && bytes < limit.bytes {
                let Some(stored) = page.next_if(|stored| stored.seq == at.seq + 1) else { break };
                let Some(record) = parse(&stored) else {
                    let through = Cursor { epoch, seq: stored.seq, tag: tag(&stored.headers).unwrap_or(0) };
                    return if records.is_empty() {
                        Err(ReadError::Damaged { through, keys: None })
                    } else {
                        Ok(records)
                    };
                };
                bytes += record.entry.payload.get().len();
                at = Cursor { epoch, seq: record.seq, tag: record.tag };
                records.push(record);
            }
            if records.len() >= limit.records || bytes >= limit.bytes || at.seq >= last {
                self.grew(at.seq);
                return Ok(records);
            }
            if at.seq == from {
                sleep(PAUSE).await;
            }
        }
        // A long read makes progress with each try, and may end early only if it has something to show.
        if records.is_empty() { Err(ReadError::Unavailable("no replica has the records".into())) } else { Ok(records) }
    }

    pub(crate) async fn trim(&self) -> Result<Trim, EngineError> {
        let (revision, mut trimmed) = self.trimmed().await?;
        let (epoch, last) = self.state().await?;
        let held = last.saturating_sub(trimmed.up_to);
        let beyond = held.saturating_sub(self.records);
        let step = usize::try_from(beyond).unwrap_or(PAGE).min(PAGE);
        if step > 0 {
            let base = Cursor { epoch, seq: trimmed.up_to, tag: trimmed.tag(trimmed.up_to).unwrap_or(0) };
            let records = match self.read(base, Limit { records: step, bytes: usize::MAX }).await {
                Ok(records) => records,
                // Another handle was faster.
                Err(ReadError::Trimmed { .. }) => return Ok(Trim { removed: 0, more: true }),
                Err(error) => return Err(EngineError(error.into())),
            };
            let begins = trimmed.up_to;
            trimmed.fold(&records);
            if !self.set(&self.summary(), revision, Some(&trimmed.to_bytes())).await? {
                return Ok(Trim { removed: 0, more: true });
            }
            let removed = trimmed.up_to - begins;
            self.purge(trimmed.up_to).await?;
            return Ok(Trim { removed, more: removed < beyond });
        }
        Ok(Trim { removed: 0, more: false })
    }

    /// Removes the messages up to this number, also those that an earlier step could not remove.
    async fn purge(&self, up_to: u64) -> Result<(), Failed> {
        let purge = format!("STREAM.PURGE.{}", self.api.stream);
        self.api.call(&purge, &json!({"seq": up_to + 1})).await.map(drop)
    }

    /// Learns by a push consumer that the log has grown, as long as the log is used. The consumer only wakes the tails,
    /// which check numbers and tags when they read: so a consumer that starts again, skips or stops costs time only.
    pub(crate) async fn listen(log: Weak<Self>) {
        while let Some(strong) = log.upgrade() {
            let made = strong.consumer().await;
            drop(strong);
            let Ok(mut consumer) = made else {
                sleep(HEARTBEAT).await;
                continue;
            };
            while let Ok(Some(message)) = timeout(SILENCE, consumer.next()).await {
                // `$JS.ACK.<stream>.<consumer>.<delivered>.<number>.…`, with two more tokens where domains are used.
                let place = message.reply.as_deref().and_then(|reply| {
                    let tokens: Vec<_> = reply.split('.').collect();
                    tokens.get(if tokens.len() > 10 { 7 } else { 5 })?.parse().ok()
                });
                let Some(log) = log.upgrade() else { return };
                if let Some(seq) = place {
                    log.grew(seq);
                }
            }
        }
    }

    async fn consumer(&self) -> Result<async_nats::Subscriber, Failed> {
        let inbox = self.api.client.new_inbox();
        let messages = self.api.client.subscribe(inbox.clone()).await.map_err(failed)?;
        let config = json!({
            "deliver_subject": inbox, "deliver_policy": "last", "ack_policy": "none", "headers_only": true,
            "mem_storage": true, "num_replicas": 1, "idle_heartbeat": nanos(HEARTBEAT),
        });
        let stream = &self.api.stream;
        let create = json!({"stream_name": stream, "config": config});
        self.api.call(&format!("CONSUMER.CREATE.{stream}"), &create).await?;
        Ok(messages)
    }
}

impl Pages for Log {
    fn grown(&self) -> watch::Receiver<u64> {
        self.grown.subscribe()
    }

    async fn tail_page(&self, after: Cursor, limit: Limit) -> Result<Vec<Record>, ReadError> {
        self.read(after, limit).await
    }
}

fn state(info: &Value) -> Result<(u32, u64), Failed> {
    let epoch = info["config"]["metadata"]["tidings-epoch"].as_str().and_then(|epoch| epoch.parse().ok());
    let epoch = epoch.ok_or_else(|| failed("the stream is not a log of Tidings"))?;
    Ok((epoch, info["state"]["last_seq"].as_u64().ok_or_else(|| failed("a stream without a last number"))?))
}

fn parse(stored: &Stored) -> Option<Record> {
    Some(Record { seq: stored.seq, tag: tag(&stored.headers)?, entry: Arc::new(Entry::from_bytes(&stored.body).ok()?) })
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
