//! Calls about a stream that another node holds. They are forwarded unchanged and answered by the other node's router.
//!
//! The node that receives a call looks for the stream itself first. It forwards the call only if it has no such stream
//! and the id names another node. The other node's routes never forward, so that no call travels for ever. The
//! receiving node decides which pages may call (CORS), because the browser speaks to it; the node with the stream
//! decides everything else.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::{Deserialize, Serialize};
use tidings_protocol::problem::Code;
use tower::ServiceExt;

use super::problem::{Refusal, Refused};
use crate::{
    Hub,
    auth::{HeldTicket, TicketError, TicketName, TicketStore},
    hub::Mounted,
    peers::{CallError, NodeId},
};

/// The calls that are forwarded, and no others.
const FORWARDED: [&str; 6] = ["/subscribe", "/unsubscribe", "/refresh", "/alive", "/presence", "/latency"];
/// How long another node may take to answer. The client repeats the call, which the protocol makes harmless.
const DEADLINE: Duration = Duration::from_secs(2);
/// The largest answer of another node, in bytes.
const ANSWER_BYTES: usize = 1 << 20;
/// The version of the messages below. A node that does not know it sends no answer and counts as gone.
const VERSION: u32 = 1;
/// Headers that concern the connection and not the call.
const OF_A_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The routes of one mounting, callable by other nodes. It lives as long as the router made from it.
struct Mounting {
    router: Router,
    tickets: Option<Arc<dyn TicketStore>>,
}

/// The state of the forwarding layer.
#[derive(Clone)]
pub(super) struct Forwarding {
    hub: Hub,
    /// Kept so that the hub finds the mounting as long as these routes exist.
    _mounted: Arc<dyn Mounted>,
    /// The index among the hub's mountings. Nodes that run the same program mount their routes in the same order, so
    /// the index names the same routes everywhere.
    mount: usize,
}

impl Forwarding {
    /// Makes these routes callable by other nodes; `None` where there are no other nodes.
    pub(super) fn new(
        hub: &Hub,
        tickets: Option<Arc<dyn TicketStore>>,
        number: &OnceLock<usize>,
        router: Router,
    ) -> Option<Self> {
        hub.peers()?;
        let mounted: Arc<dyn Mounted> = Arc::new(Mounting { router, tickets });
        let mount = hub.mount(&mounted);
        // Each gate makes one router, so the number is set once.
        let _ = number.set(mount);
        Some(Self { hub: hub.clone(), _mounted: mounted, mount })
    }
}

/// The body of a call, kept by the route that reads it.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<OnceLock<Bytes>>);

impl Kept {
    pub(super) fn keep(&self, body: &Bytes) {
        // A call has one body, so it is set once.
        let _ = self.0.set(body.clone());
    }
}

/// A call forwarded to another node.
#[derive(Serialize, Deserialize)]
struct Call {
    v: u32,
    mount: usize,
    /// The path below the mounting, and the query.
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    peer: Option<SocketAddr>,
    body: String,
}

/// The other node's answer.
#[derive(Serialize, Deserialize)]
struct Answer {
    v: u32,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: String,
}

/// A request for a ticket that another node minted.
#[derive(Serialize, Deserialize)]
struct Take {
    v: u32,
    mount: usize,
    ticket: TicketName,
}

/// The minting node's answer.
#[derive(Serialize, Deserialize)]
enum Taken {
    Ticket(HeldTicket),
    Unknown,
    Expired,
    Unavailable,
}

/// Takes a ticket at the node that minted it.
pub(super) async fn take(hub: &Hub, mount: Option<usize>, ticket: TicketName) -> Result<HeldTicket, TicketError> {
    let Some((peers, mount)) = hub.peers().zip(mount) else { return Err(TicketError::Unknown) };
    let message = serde_json::to_vec(&Take { v: VERSION, mount, ticket });
    let message = message.map_err(|error| TicketError::Unavailable(error.into()))?;
    match peers.call(NodeId(ticket.node), message.into(), DEADLINE).await {
        Ok(answer) => match serde_json::from_slice(&answer) {
            Ok(Taken::Ticket(held)) => Ok(held),
            Ok(Taken::Expired) => Err(TicketError::Expired),
            Ok(Taken::Unavailable) => Err(TicketError::Unavailable("the other node's store of tickets".into())),
            // A node that cannot read the message has no such ticket.
            Ok(Taken::Unknown) | Err(_) => Err(TicketError::Unknown),
        },
        // The node is gone and its tickets with it. The client requests another ticket.
        Err(CallError::Gone) => Err(TicketError::Unknown),
        Err(error) => Err(TicketError::Unavailable(error.into())),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    connection_id: String,
}

/// Forwards a call whose stream is on another node.
pub(super) async fn forward(State(forwarding): State<Forwarding>, mut request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !FORWARDED.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    // The target includes the query, which may hold credentials.
    let target = request.uri().path_and_query().map_or_else(|| request.uri().path().to_owned(), ToString::to_string);
    let kept = Kept::default();
    request.extensions_mut().insert(kept.clone());
    let headers = texts(request.headers());
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let response = next.run(request).await;
    let Some(Refused(Code::UnknownConnection)) = response.extensions().get() else { return response };
    let Forwarding { hub, mount, .. } = forwarding;
    let Some((peers, body)) = hub.peers().zip(kept.0.get()) else { return response };
    let named = serde_json::from_slice::<Named>(body).ok();
    let Some(node) = named.and_then(|named| NodeId::of_connection(&named.connection_id)) else { return response };
    if node == hub.node_id() {
        return response;
    }
    let Ok(body) = String::from_utf8(body.to_vec()) else { return response };
    let call = Call { v: VERSION, mount, target, headers, peer, body };
    let Ok(message) = serde_json::to_vec(&call) else { return response };
    match peers.call(node, message.into(), DEADLINE).await {
        Ok(answer) => answered(&answer).unwrap_or(response),
        // On 404 the client opens another stream, with its channels in the URL.
        Err(CallError::Gone) => response,
        Err(error) => {
            tracing::warn!(%node, error = &error as &dyn std::error::Error, "a call could not be forwarded to the node that has its stream");
            Refusal::new(Code::Unavailable, "the node that has the stream does not answer; try again").into_response()
        }
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let about_the_call = headers.iter().filter(|(name, _)| !OF_A_CONNECTION.contains(name));
    about_the_call.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
}

fn headers(texts: Vec<(String, Vec<u8>)>) -> HeaderMap {
    let parsed = texts
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(&value).ok()?)));
    let mut headers = HeaderMap::new();
    for (name, value) in parsed {
        headers.append(name, value);
    }
    headers
}

/// The response that another node sent; `None` where the message cannot be read.
fn answered(message: &[u8]) -> Option<Response> {
    let Answer { v: VERSION, status, headers: texts, body } = serde_json::from_slice(message).ok()? else {
        return None;
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    *response.headers_mut() = headers(texts);
    Some(response)
}

impl Mounting {
    /// Answers a call that another node forwarded.
    async fn answer(&self, call: Call) -> Option<Answer> {
        let mut request = Request::builder().method(Method::POST).uri(&call.target).body(Body::from(call.body)).ok()?;
        *request.headers_mut() = headers(call.headers);
        if let Some(peer) = call.peer {
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let Ok(response) = self.router.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(to_bytes(body, ANSWER_BYTES).await.ok()?.into()).ok()?;
        Some(Answer { v: VERSION, status: parts.status.as_u16(), headers: texts(&parts.headers), body })
    }
}

#[async_trait]
impl Mounted for Mounting {
    async fn respond(&self, mount: usize, message: &Bytes) -> Option<Bytes> {
        if let Ok(Take { v: VERSION, mount: asked, ticket }) = serde_json::from_slice(message) {
            let store = self.tickets.as_ref().filter(|_| asked == mount)?;
            let taken = match store.take(ticket).await {
                Ok(held) => Taken::Ticket(held),
                Err(TicketError::Unknown) => Taken::Unknown,
                Err(TicketError::Expired) => Taken::Expired,
                Err(_) => Taken::Unavailable,
            };
            return Some(serde_json::to_vec(&taken).ok()?.into());
        }
        let call: Call = serde_json::from_slice(message).ok()?;
        let (path, _) = call.target.split_once('?').unwrap_or((&call.target, ""));
        if call.v != VERSION || call.mount != mount || !FORWARDED.contains(&path) {
            return None;
        }
        let answer = self.answer(call).await?;
        Some(serde_json::to_vec(&answer).ok()?.into())
    }
}
