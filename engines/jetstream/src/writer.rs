//! Appends: one entry is a message, several are an atomic batch, and the server compares keys as message ids.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_nats::HeaderMap;
use bytes::Bytes;
use tidings::{
    engine::{CommitError, Committer, GroupedAppend, Receipt},
    record::Entry,
};
use tidings_protocol::Cursor;

use crate::{
    api::{Failed, failed},
    log::{Log, TAG},
};

/// The most messages of an atomic batch.
pub(crate) const BATCH: usize = 1_000;
/// A batch has an id that the stream knows.
const KNOWN: u64 = 10_201;
/// Nothing was stored, but may be soon: the same id is being stored by someone else; too many batches are open, or one
/// lost its start; there is no leader.
const BUSY: [u64; 5] = [10_158, 10_210, 10_176, 10_008, 10_009];
/// The time after which a busy stream is asked again.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Writer(pub(crate) Arc<Log>);

pub(crate) struct Message {
    key: String,
    body: Bytes,
}

impl From<&Entry> for Message {
    fn from(entry: &Entry) -> Self {
        Self { key: entry.key.to_string(), body: entry.to_bytes().into() }
    }
}

impl Committer for Writer {
    type Stored = Message;

    fn bytes(stored: &Message) -> usize {
        stored.body.len()
    }

    async fn commit(&mut self, appends: &[GroupedAppend<Message>]) -> Result<Vec<Option<Receipt>>, CommitError> {
        let mut receipts = Vec::new();
        let mut rest = appends;
        while !rest.is_empty() {
            // As many appends as fit in one batch.
            let mut count = 0;
            let fits = rest.iter().take_while(|append| {
                count += append.entries().len();
                count <= BATCH
            });
            let (group, later) = rest.split_at(fits.count().max(1));
            rest = later;
            let all: Vec<_> = group.iter().flat_map(GroupedAppend::entries).collect();
            match self.store(&all).await.map_err(|failed| unknown(&failed))? {
                Some(stored) => receipts.extend(stored.into_iter().map(Some)),
                // One of them has a known key: each for itself.
                None => {
                    for append in group {
                        let all: Vec<_> = append.entries().iter().collect();
                        let stored = match self.store(&all).await.map_err(|failed| unknown(&failed))? {
                            Some(stored) => stored,
                            None => self.one_by_one(&all).await.map_err(|failed| unknown(&failed))?,
                        };
                        receipts.extend(stored.into_iter().map(Some));
                    }
                }
            }
        }
        Ok(receipts)
    }

    fn committed(&self, last: u64) {
        self.0.grew(last);
    }

    /// Calls do not depend on each other, and a new connection would not recall what was sent on this one.
    fn disconnect(&mut self) {}
}

/// The reason may be that of a second call, after a first one that stored something.
fn unknown(failed: &Failed) -> CommitError {
    CommitError::unknown(failed.source.to_string())
}

impl Writer {
    fn receipt(&self, seq: u64, tag: u32, duplicate: bool) -> Receipt {
        Receipt { cursor: Cursor { epoch: self.0.epoch, seq, tag }, duplicate }
    }

    /// Stores all of them or none; `None` if one key is known, or occurs twice.
    async fn store(&self, messages: &[&Message]) -> Result<Option<Vec<Receipt>>, Failed> {
        if let [message] = messages {
            return Ok(Some(vec![self.one(message).await?]));
        }
        loop {
            match self.batch(messages).await {
                Err(Failed { code: KNOWN, .. }) => return Ok(None),
                Err(Failed { code, .. }) if BUSY.contains(&code) => tokio::time::sleep(PAUSE).await,
                outcome => return outcome.map(Some),
            }
        }
    }

    async fn batch(&self, messages: &[&Message]) -> Result<Vec<Receipt>, Failed> {
        let id = format!("{:032x}", fastrand::u128(..));
        let tags: Vec<_> = messages.iter().map(|_| fastrand::u32(1..)).collect();
        let mut last = 0;
        for (at, (message, tag)) in (1..).zip(messages.iter().zip(&tags)) {
            let mut headers = self.headers(message, *tag);
            headers.insert("Nats-Batch-Id", id.as_str());
            headers.insert("Nats-Batch-Sequence", at.to_string().as_str());
            let (subject, body) = (self.0.subject(), message.body.clone());
            if at == messages.len() {
                headers.insert("Nats-Batch-Commit", "1");
                last = number(&self.0.api.store(subject, headers, body).await?)?;
            } else {
                self.0.api.client.publish_with_headers(subject, headers, body).await.map_err(failed)?;
            }
        }
        let first = last + 1 - messages.len() as u64;
        Ok((first..).zip(tags).map(|(seq, tag)| self.receipt(seq, tag, false)).collect())
    }

    async fn one_by_one(&self, messages: &[&Message]) -> Result<Vec<Receipt>, Failed> {
        let mut receipts = Vec::new();
        let mut known: HashMap<&str, Receipt> = HashMap::new();
        for message in messages {
            let receipt = match known.get(&*message.key) {
                Some(first) => Receipt { duplicate: true, ..*first },
                None => self.one(message).await?,
            };
            known.entry(&message.key).or_insert(receipt);
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    async fn one(&self, message: &Message) -> Result<Receipt, Failed> {
        loop {
            let tag = fastrand::u32(1..);
            let headers = self.headers(message, tag);
            match self.0.api.store(self.0.subject(), headers, message.body.clone()).await {
                Ok(answer) if answer["duplicate"] == true => {
                    let seq = number(&answer)?;
                    // No record has the tag 0: a trimmed record's cursor is then told as a gap.
                    let tag = self.0.tag_of(seq).await?.unwrap_or(0);
                    return Ok(self.receipt(seq, tag, true));
                }
                Ok(answer) => return Ok(self.receipt(number(&answer)?, tag, false)),
                Err(Failed { code, .. }) if BUSY.contains(&code) => tokio::time::sleep(PAUSE).await,
                Err(failed) => return Err(failed),
            }
        }
    }

    fn headers(&self, message: &Message, tag: u32) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", message.key.as_str());
        headers.insert("Nats-Expected-Stream", self.0.api.stream.as_str());
        headers.insert(TAG, tag.to_string().as_str());
        headers
    }
}

fn number(answer: &serde_json::Value) -> Result<u64, Failed> {
    answer["seq"].as_u64().ok_or_else(|| failed("an acknowledgement without a number"))
}
