//! Reading a request's parameters and body.

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

/// The body of a call as `T`, up to the limit for calls.
pub(super) async fn json<T: DeserializeOwned>(gate: &Gate, head: &AuthRequest, body: Body) -> Result<T, Refusal> {
    json_up_to(gate.call_bytes, gate, head, body).await
}

/// The body as `T`. Only `application/json` is accepted: a form posted from another site cannot have that type without
/// a preflight request, so cookies alone cannot send a command.
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
        Unread::TooLarge => Refusal::new(Code::TooLarge, format!("the body may have at most {limit} bytes")),
        Unread::Broken(error) => Refusal::new(Code::Malformed, error.to_string()),
    })?;
    if let Some(kept) = head.extensions().get::<Kept>() {
        kept.keep(&bytes);
    }
    serde_json::from_slice(&bytes).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
}

/// Parses channels, each once and in their order. A body may hold very many.
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

/// The `since` of a call, before it is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum SinceText {
    From(Cursor),
    /// Cursors of several logs. This server has one log and cannot resume from a list.
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

    /// Whether the past can be served, and from where.
    pub(super) async fn locate(self, hub: &Hub) -> Result<Backfill, EngineError> {
        match self {
            Self::From(cursor) => hub.backfill(Some(cursor)).await,
            Self::List => Ok(hub.no_backfill(GapReason::Malformed)),
        }
    }
}

/// How many positions of `seen` are looked up; a longer list counts as unreadable.
const SEEN_COUNT: usize = 64;

/// An unreadable cursor is answered by a gap in the stream: browsers would give up or loop on a refusal.
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
