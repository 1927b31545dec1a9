//! `POST /poll`: the pending frames as a finite response, for clients that no stream reaches. A poll is a stream that
//! ends when it has written something or has waited long enough, so its channels are authorized like any stream's, and
//! no state outlives it.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{HeaderValue, header};
use http_body::{Body as _, Frame};
use serde::Deserialize;
use tidings_protocol::{
    DeviceId, Pattern, RequestId, SessionId,
    event::Timestamp,
    frame::{Polled, Rejected},
    problem::Code,
    sse,
};

use super::{
    gate::Gate,
    problem::Refusal,
    read::{SinceText, distinct, json, resume, split},
    stream::StreamBody,
};
use crate::{
    Hub,
    clock::{millis, wall_clock_ms},
    connection::Names,
    core::SubscribeCall,
    engine::EngineError,
    record::json_frame,
};

/// The longest wait of a poll, below the time after which proxies give up on a response.
const MAX_WAIT: Duration = Duration::from_secs(25);
/// How long a poll waits for a page of the log.
const READ_WAIT: Duration = Duration::from_secs(10);
/// About how many bytes one response carries. The client fetches the rest at once.
const MAX_BYTES: usize = 1 << 20;

/// [`PollRequest`](tidings_protocol::command::PollRequest) before its fields are parsed, so that each mistake gets its
/// own code.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    channels: Vec<Item>,
    addressed_since: Option<String>,
    last_event_id: Option<String>,
    seen: Option<String>,
    device_id: Option<String>,
    session_id: Option<String>,
    #[serde(default)]
    wait_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Item {
    channel: String,
    since: Option<String>,
}

/// Channels, and perhaps addressed events, with the same `since`.
struct Group {
    since: String,
    channels: Vec<Pattern>,
    addressed: bool,
}

pub(super) async fn poll(State(gate): State<Arc<Gate>>, request: Request) -> Result<Response, Refusal> {
    let (head, body) = split(request);
    let identity = gate.identify(&head).await?;
    gate.limiter.poll(&identity, head.parts())?;
    let body: Body = json(&gate, &head, body).await?;
    let malformed =
        |name: &str, error: &dyn std::fmt::Display| Refusal::new(Code::Malformed, format!("{name}: {error}"));
    let device = body.device_id.map(DeviceId::new).transpose().map_err(|error| malformed("deviceId", &error))?;
    let session = body.session_id.map(SessionId::new).transpose().map_err(|error| malformed("sessionId", &error))?;
    let texts: Vec<_> = body.channels.iter().map(|item| item.channel.clone()).collect();
    let asked = distinct(&texts)?;
    let groups = groups(&body.channels, body.addressed_since.as_deref())?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down; try again"));
    }
    gate.let_in(&identity, device.as_ref())?;
    // While it waits, a poll counts as a stream.
    let permit = gate.admit(&identity, device.as_ref(), head.parts()).await?;
    let (asked, mut rejected) = gate.ask_grants(&identity, asked).await?;

    let has_past = |channel: &Pattern| groups.iter().any(|group| group.channels.contains(channel));
    let from_cursor = asked.only(|channel| !has_past(channel));
    let start = gate.hub.start(resume(body.last_event_id, body.seen)).await?;
    let names = Names { user: identity.user_id().cloned(), device, session };
    let addressed = names.user.is_some();
    let hub = gate.hub.clone();
    let (link, refused) = hub.open_poll(&identity, names, from_cursor, start, permit);
    let mut stream = StreamBody::new(hub.clone(), link.clone());
    rejected.extend(refused);
    for Group { since, channels, addressed } in groups {
        let backfill = SinceText::parse(&since)?.locate(&hub).await?;
        let channels = asked.only(|channel| channels.contains(channel));
        // The text of a cursor is a valid request id.
        let request = RequestId::new(since).ok();
        let call = SubscribeCall { request, channels, addressed, backfill };
        rejected.extend(hub.subscribe_stream(&identity, &link, call)?.0);
    }

    let waits = Duration::from_millis(body.wait_ms).min(MAX_WAIT);
    let (mut answer, more) = collect(&hub, &mut stream, waits).await?;
    let again = if more || !waits.is_zero() { 0 } else { millis(hub.config().retry) };
    let is_rejected = |channel: &Pattern| rejected.iter().any(|one: &Rejected| one.channel == *channel);
    let polled = Polled {
        channels: asked.all().filter(|channel| !is_rejected(channel)).cloned().collect(),
        rejected: rejected.clone(),
        addressed,
        retry_ms: again,
        timestamp: Timestamp(wall_clock_ms()),
    };
    answer.extend_from_slice(&json_frame(Some(Polled::NAME), Some(&hub.core().position(&link)), &polled));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(sse::CONTENT_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform")),
    ];
    Ok((headers, answer).into_response())
}

/// Groups the subscriptions of a poll by their `since`.
fn groups(items: &[Item], addressed_since: Option<&str>) -> Result<Vec<Group>, Refusal> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group = |since: &str| {
        let known = groups.iter().position(|group| group.since == since);
        known.unwrap_or_else(|| {
            groups.push(Group { since: since.to_owned(), channels: Vec::new(), addressed: false });
            groups.len() - 1
        })
    };
    let mut places = Vec::new();
    for item in items {
        if let Some(since) = &item.since {
            SinceText::parse(since)?;
            places.push((group(since), item.channel.parse().ok()));
        }
    }
    if let Some(since) = addressed_since {
        SinceText::parse(since)?;
        places.push((group(since), None));
    }
    for (index, channel) in places {
        match channel {
            Some(channel) => groups[index].channels.push(channel),
            None => groups[index].addressed = true,
        }
    }
    Ok(groups)
}

/// The frames that are pending, or the first that come within this time; and whether there are more.
async fn collect(hub: &Hub, stream: &mut StreamBody, waits: Duration) -> Result<(Vec<u8>, bool), EngineError> {
    let mut answer = Vec::new();
    let mut waited = pin!(hub.pause(waits));
    while answer.len() < MAX_BYTES {
        let mut ready = Pin::new(&mut *stream).poll_frame(&mut Context::from_waker(Waker::noop()));
        if ready.is_pending() {
            let is_reading = stream.is_reading();
            let next = poll_fn(|cx| Pin::new(&mut *stream).poll_frame(cx));
            // A page that is being read is waited for, however short a wait the client asked for.
            ready = if is_reading {
                match select(next, pin!(hub.pause(READ_WAIT))).await {
                    Either::Left((frame, _)) => Poll::Ready(frame),
                    // The engine cannot be reached. The frames collected so far are whole; the next poll continues
                    // after them.
                    Either::Right(_) if answer.is_empty() => {
                        return Err(EngineError("the engine did not answer in time".into()));
                    }
                    Either::Right(_) => Poll::Pending,
                }
            } else if answer.is_empty() && !waits.is_zero() {
                match select(next, waited.as_mut()).await {
                    Either::Left((frame, _)) => Poll::Ready(frame),
                    Either::Right(_) => Poll::Pending,
                }
            } else {
                Poll::Pending
            };
        }
        let frame: Option<Result<Frame<Bytes>, Infallible>> = match ready {
            Poll::Ready(frame) => frame,
            Poll::Pending => return Ok((answer, false)),
        };
        match frame {
            Some(Ok(frame)) => answer.extend_from_slice(&frame.into_data().unwrap_or_default()),
            None => return Ok((answer, false)),
        }
    }
    Ok((answer, true))
}
