//! `GET /`: opening a stream, and the body that writes it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use http_body::Frame;
use tidings_protocol::{DeviceId, Pattern, SessionId, problem::Code, sse};
use tokio::time::Instant;

use super::{
    gate::Gate,
    problem::Refusal,
    read::{malformed_channel, resume, split},
    serve::{RetiresAt, TakeOver},
};
use crate::{
    Hub,
    clock::millis,
    connection::Names,
    core::Link,
    hub::{Reader, Resume},
};

/// Answers `HEAD` without opening a stream.
pub(super) async fn head() -> Response {
    let mut response = Refusal::from(Code::MethodNotAllowed).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    response
}

/// Opens a stream for the request's identity.
pub(super) async fn open(State(gate): State<Arc<Gate>>, request: Request) -> Result<Response, Refusal> {
    let (head, _) = split(request);
    let identity = gate.identify_stream(&head).await?;
    let query = Query::parse(head.uri(), head.headers())?;
    if gate.hub.is_draining() {
        return Err(Refusal::new(Code::Unavailable, "the server is shutting down; try again"));
    }
    gate.let_in(&identity, query.device.as_ref())?;
    gate.limiter.open(&identity, head.parts())?;
    let permit = gate.admit(&identity, query.device.as_ref(), head.parts()).await?;
    let (channels, rejected) = gate.ask_grants(&identity, query.channels).await?;
    let hub = gate.hub.clone();
    let start = hub.start(query.resume).await?;
    let names = Names { user: identity.user_id().cloned(), device: query.device, session: query.session };
    let link = hub.open(&identity, names, channels, rejected, start, permit);
    if let Some(RetiresAt(at)) = head.extensions().get() {
        link.retire_at(hub.now_ms().saturating_add(millis(at.duration_since(Instant::now()))));
    }

    let mut response = Response::new(Body::new(StreamBody::new(hub, link.clone())));
    response.extensions_mut().insert(TakeOver(Some(link)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(sse::CONTENT_TYPE));
    // Proxies must not store, compress or buffer a stream. Next.js compresses without `no-transform`; nginx buffers
    // without `X-Accel-Buffering`.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    // `Vary: *` keeps every cache from replaying a stream, even to its own client: a cache in a service worker would
    // replay it for ever.
    headers.insert(header::VARY, HeaderValue::from_static("*"));
    Ok(response)
}

/// The query of a stream request. Unknown parameters belong to the application and are ignored.
#[derive(Debug)]
struct Query {
    channels: Vec<Pattern>,
    device: Option<DeviceId>,
    session: Option<SessionId>,
    resume: Resume,
}

impl Query {
    fn parse(uri: &Uri, headers: &HeaderMap) -> Result<Self, Refusal> {
        let mut channels: Vec<Pattern> = Vec::new();
        let (mut device, mut session, mut last, mut seen) = (None, None, None, None);
        let malformed =
            |name: &str, error: &dyn std::fmt::Display| Refusal::new(Code::Malformed, format!("{name}: {error}"));
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "channels" => {
                    for text in value.split(',').filter(|_| !value.is_empty()) {
                        let channel = text.parse().map_err(|error| malformed_channel(text, error))?;
                        if !channels.contains(&channel) {
                            channels.push(channel);
                        }
                    }
                }
                "deviceId" => device = Some(DeviceId::new(&value).map_err(|error| malformed(&name, &error))?),
                "sessionId" => session = Some(SessionId::new(&value).map_err(|error| malformed(&name, &error))?),
                "lastEventId" => last = Some(value.into_owned()),
                "seen" => seen = Some(value.into_owned()),
                _ => {}
            }
        }
        // A browser's own reconnect has a newer cursor than the URL, which was made long ago.
        let header = headers.get("last-event-id").filter(|value| !value.is_empty());
        let header = header.map(|value| value.to_str().unwrap_or("?").to_owned());
        Ok(Self { channels, device, session, resume: resume(header.or(last), seen) })
    }
}

/// The body of a stream, for any HTTP server.
pub(super) struct StreamBody(Reader);

impl StreamBody {
    pub(super) fn new(hub: Hub, link: Arc<Link>) -> Self {
        Self(Reader::new(hub, link))
    }

    /// Whether a page of the engine's log is being read.
    pub(super) fn is_reading(&self) -> bool {
        self.0.is_reading()
    }
}

impl http_body::Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_frames(cx).map(|frames| Some(Ok(Frame::data(joined(frames?)))))
    }
}

/// One buffer for one write: a single frame as it is, several frames copied together.
fn joined(mut frames: Vec<Bytes>) -> Bytes {
    match frames.len() {
        1 => frames.remove(0),
        _ => frames.concat().into(),
    }
}
