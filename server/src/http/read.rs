//! Reading what a request brings.

use std::collections::HashSet;

use axum::{body::Body, extract::Request};
use http::header;
use serde::de::DeserializeOwned;
use tidings_protocol::{ChannelError, Cursor, Pattern, frame::GapReason, problem::Code};
use tokio::time::timeout;

use super::{
    body::{Unread, whole},
    forward::Kept,
    gate::Gate,
    problem::Refusal,
};
use crate::{Hub, auth::AuthRequest, core::Backfill, engine::EngineError, hub::Resume};

/// The head of a request, and its body.
pub(super) fn split(request: Request) -> (AuthRequest, Body) {
    let (parts, body) = request.into_parts();
    (AuthRequest::new(parts), body)
}

/// The body of a call as `T`, as large as calls may be.
pub(super) async fn json<T: DeserializeOwned>(gate: &Gate, head: &AuthRequest, body: Body) -> Result<T, Refusal> {
    json_up_to(gate.call_bytes, gate, head, body).await
}

/// The body as `T`. Only `application/json` is taken: a form posted from another site cannot have that type without the
/// browser asking first, so cookies alone command nothing.
pub(super) async fn json_up_to<T: DeserializeOwned>(
    limit: usize,
    gate: &Gate,
    head: &AuthRequest,
    body: Body,
) -> Result<T, Refusal> {
    let content_type = head.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Code::UnsupportedMediaType.into());
    }
    let read = timeout(gate.limiter.limits().body_timeout, whole(body, limit));
    let bytes = read.await.map_err(|_| Refusal::from(Code::RequestTimeout))?.map_err(|unread| match unread {
        Unread::TooLarge => Refusal::new(Code::TooLarge, format!("the body may have {limit} bytes")),
        Unread::Broken(error) => Refusal::new(Code::Malformed, error.to_string()),
    })?;
    if let Some(kept) = head.extensions().get::<Kept>() {
        kept.keep(&bytes);
    }
    serde_json::from_slice(&bytes).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
}

/// Channels, each once and in their order. A body may hold very many.
pub(super) fn distinct(texts: &[String]) -> Result<Vec<Pattern>, Refusal> {
    let mut known = HashSet::new();
    let mut channels = Vec::with_capacity(texts.len().min(100));
    for text in texts {
        let channel = text.parse().map_err(|error| malformed_channel(text, error))?;
        if known.insert(text) {
            channels.push(channel);
        }
    }
    Ok(channels)
}

pub(super) fn malformed_channel(text: &str, error: ChannelError) -> Refusal {
    Refusal::new(Code::MalformedChannel, format!("{text:?}: {error}"))
}

/// From where a call asks for the past.
#[derive(Debug, Clone, Copy)]
pub(super) enum SinceText {
    From(Cursor),
    /// Cursors of several logs, of which this server has one: it cannot honour them.
    List,
}

impl SinceText {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let cursors: Result<Vec<Cursor>, _> = text.split(',').map(str::parse).collect();
        match cursors.as_deref() {
            Ok([cursor]) => Ok(Self::From(*cursor)),
            Ok(_) => Ok(Self::List),
            Err(error) => Err(Refusal::new(Code::MalformedCursor, format!("since: {error}"))),
        }
    }

    /// Whether and from where it can be served.
    pub(super) async fn locate(self, hub: &Hub) -> Result<Backfill, EngineError> {
        match self {
            Self::From(cursor) => hub.backfill(Some(cursor)).await,
            Self::List => Ok(hub.no_backfill(GapReason::Malformed)),
        }
    }
}

/// So many positions of `seen` are looked up; a longer list is as good as unreadable.
const SEEN_COUNT: usize = 64;

/// A cursor that cannot be read is told as a gap in the stream: a refusal would make browsers give up, or loop.
pub(super) fn resume(last: Option<String>, seen: Option<String>) -> Resume {
    let present = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (last, seen) = (present(last), present(seen));
    let Some(last) = last else { return Resume::None };
    let seen: Result<Vec<Cursor>, _> = seen.iter().flat_map(|list| list.split(',')).map(str::parse).collect();
    match (last.parse(), seen) {
        (Ok(cursor), Ok(seen)) if seen.len() <= SEEN_COUNT => Resume::From { cursor, seen },
        _ => Resume::Malformed,
    }
}
