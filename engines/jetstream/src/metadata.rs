//! The map beside the log: a stream with one message for each key, read from its leader. A removed key keeps a message,
//! whose first byte says so. (The buckets of NATS itself are read from any replica, so they are not linearizable.)

use async_nats::HeaderMap;
use async_trait::async_trait;
use serde_json::{Value, json};
use tidings::engine::{EngineError, Metadata};

use crate::{
    api::{Failed, failed},
    log::Log,
};

/// The stream has no such message.
const NONE: u64 = 10_037;
/// The message is not the last one any more.
const OUTDATED: u64 = 10_071;

impl Log {
    fn key_subject(&self, key: &str) -> String {
        // A token of a subject is not empty, and has neither dots nor spaces.
        format!("{}_meta.key.x{}", self.api.stream, hex(key.as_bytes()))
    }

    /// The last message of a subject, and its number; 0 if there is none.
    pub(crate) async fn last_of(&self, subject: &str) -> Result<(u64, Option<Vec<u8>>), Failed> {
        match self.message(&json!({"last_by_subj": subject})).await? {
            Some((seq, _, body)) => Ok((seq, body)),
            None => Ok((0, None)),
        }
    }

    /// Sets a subject if its last message has still this number; returns whether it was so.
    pub(crate) async fn set(&self, subject: &str, last: u64, value: Option<&[u8]>) -> Result<bool, Failed> {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string().as_str());
        let mut body = vec![u8::from(value.is_some())];
        body.extend_from_slice(value.unwrap_or_default());
        match self.api.store(subject.to_owned(), headers, body.into()).await {
            Err(Failed { code: OUTDATED, .. }) => Ok(false),
            outcome => outcome.map(|_| true),
        }
    }

    async fn message(&self, what: &Value) -> Result<Option<(u64, String, Option<Vec<u8>>)>, Failed> {
        self.check_open()?;
        let answer = match self.api.call(&format!("STREAM.MSG.GET.{}_meta", self.api.stream), what).await {
            Err(Failed { code: NONE, .. }) => return Ok(None),
            answer => answer?,
        };
        let message = &answer["message"];
        let (seq, subject) = (message["seq"].as_u64(), message["subject"].as_str());
        let (Some(seq), Some(subject)) = (seq, subject) else { return Err(failed("a message without a number")) };
        let body = base64(message["data"].as_str().unwrap_or_default());
        let body = body.split_first().filter(|(is_set, _)| **is_set == 1).map(|(_, value)| value.to_vec());
        Ok(Some((seq, subject.to_owned(), body)))
    }
}

#[async_trait]
impl Metadata for Log {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, EngineError> {
        Ok(self.last_of(&self.key_subject(key)).await?.1)
    }

    async fn swap(&self, key: &str, expected: Option<&[u8]>, value: Option<Vec<u8>>) -> Result<bool, EngineError> {
        let subject = self.key_subject(key);
        loop {
            let (last, now) = self.last_of(&subject).await?;
            if now.as_deref() != expected {
                return Ok(false);
            }
            // Another handle may have set the same value meanwhile, so the values are compared again.
            if self.set(&subject, last, value.as_deref()).await? {
                return Ok(true);
            }
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, EngineError> {
        let (mut found, mut from) = (Vec::new(), 1);
        let all = format!("{}_meta.key.*", self.api.stream);
        while let Some((seq, subject, value)) = self.message(&json!({"seq": from, "next_by_subj": all})).await? {
            from = seq + 1;
            let key = subject.rsplit_once(".x").and_then(|(_, hex)| unhex(hex));
            let key = key.ok_or_else(|| EngineError(format!("{subject} is no key").into()))?;
            found.extend(value.filter(|_| key.starts_with(prefix)).map(|value| (key, value)));
        }
        found.sort();
        Ok(found)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<String> {
    let bytes = text.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}

/// Decodes what the server encoded.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut bits) = (Vec::new(), 0_usize, 0);
    for value in text.bytes().map_while(|letter| ALPHABET.iter().position(|known| *known == letter)) {
        held = (held << 6 | value) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.extend(u8::try_from(held >> bits & 0xff));
        }
    }
    bytes
}
