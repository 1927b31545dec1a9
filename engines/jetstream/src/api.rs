//! The calls of JetStream's API (`$JS.API.…`), whose requests and answers are JSON.

use std::time::Duration;

use async_nats::{Client, HeaderMap, Message};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tidings::engine::{EngineError, Source};
use tokio::time::timeout;

/// How long one call may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(5);

/// The API's code of an error (`err_code`); 0 for failures without one.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: u64,
    pub(crate) source: Source,
}

pub(crate) fn failed(source: impl Into<Source>) -> Failed {
    Failed { code: 0, source: source.into() }
}

impl From<Failed> for EngineError {
    fn from(failed: Failed) -> Self {
        Self(failed.source)
    }
}

/// A stored message.
pub(crate) struct Stored {
    pub(crate) seq: u64,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) struct Api {
    pub(crate) client: Client,
    pub(crate) stream: String,
}

impl Api {
    pub(crate) fn max_payload(&self) -> usize {
        self.client.server_info().max_payload
    }

    /// A call, by the name of the API's subject.
    pub(crate) async fn call(&self, subject: &str, request: &Value) -> Result<Value, Failed> {
        let subject = format!("$JS.API.{subject}");
        let asked = self.client.request(subject, request.to_string().into());
        answer(&timeout(DEADLINE, asked).await.map_err(failed)?.map_err(failed)?)
    }

    /// Stores a message and returns the answer.
    pub(crate) async fn store(&self, subject: String, headers: HeaderMap, body: Bytes) -> Result<Value, Failed> {
        let asked = self.client.request_with_headers(subject, headers, body);
        answer(&timeout(DEADLINE, asked).await.map_err(failed)?.map_err(failed)?)
    }

    /// The messages from this number on, up to `count`. Any replica answers, also one that lags behind.
    pub(crate) async fn page(&self, from: u64, count: usize) -> Result<Vec<Stored>, Failed> {
        let inbox = self.client.new_inbox();
        let mut answers = self.client.subscribe(inbox.clone()).await.map_err(failed)?;
        let (subject, ask) = (format!("$JS.API.DIRECT.GET.{}", self.stream), json!({"seq": from, "batch": count}));
        self.client.publish_with_reply(subject, inbox, ask.to_string().into()).await.map_err(failed)?;
        let mut page = Vec::new();
        loop {
            let message = timeout(DEADLINE, answers.next()).await.map_err(failed)?;
            let message = message.ok_or_else(|| failed("the connection was closed"))?;
            match message.status.map(|status| status.as_u16()) {
                // The end of the page; nothing there.
                Some(204 | 404) => return Ok(page),
                Some(status) => return Err(failed(format!("a page of the stream: {status}"))),
                None => {
                    let headers = message.headers.unwrap_or_default();
                    let seq = headers.get("Nats-Sequence").and_then(|seq| seq.as_str().parse().ok());
                    let seq = seq.ok_or_else(|| failed("a message without a number"))?;
                    page.push(Stored { seq, headers, body: message.payload });
                }
            }
        }
    }
}

fn answer(message: &Message) -> Result<Value, Failed> {
    if let Some(status) = message.status {
        return Err(failed(format!("the server answered {status}")));
    }
    let answer: Value = serde_json::from_slice(&message.payload).map_err(failed)?;
    match answer.get("error") {
        Some(error) => Err(Failed { code: error["err_code"].as_u64().unwrap_or(0), source: error.to_string().into() }),
        None => Ok(answer),
    }
}
