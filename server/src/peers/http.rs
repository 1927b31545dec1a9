//! Nodes that reach each other over HTTP. The map beside the log lists their addresses.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Router, extract::DefaultBodyLimit, extract::State, routing::post};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Request, StatusCode, Uri, uri::Scheme};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{ANNOUNCE_INTERVAL, CallError, Inbox, Mailbox, NodeId, Peers, PeersError, Post, Responder};
use crate::{
    clock::{millis, wall_clock_ms},
    engine::{Engine, EngineError, Source},
};

/// The prefix of the nodes' keys in the map beside the log.
const PREFIX: &str = "peer/";
/// How long an entry of the map is valid, by the clocks of two machines.
const BELIEVED: Duration = Duration::from_secs(60);
/// The interval at which a node renews its entry.
const RENEWED: Duration = Duration::from_secs(15);
/// After this long any node may remove an entry.
const KEPT: Duration = Duration::from_secs(600);
/// The fewest bytes of a secret.
const SECRET_BYTES: usize = 16;
/// The largest message, in bytes.
const MESSAGE_BYTES: usize = 8 << 20;
/// How long connecting to another node may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How long an idle connection to another node is kept.
const IDLE: Duration = Duration::from_secs(30);
/// The header with the HMAC-SHA-256 of the message (RFC 2104), in hexadecimal digits, which proves knowledge of the
/// secret.
const SIGNATURE: &str = "tidings-signature";

/// Nodes that reach each other over HTTP, for an engine without a transport between its hubs. The nodes share a secret.
/// Each has a URL at which the others reach it, which is kept in the map beside the log. Messages are encrypted for
/// their receiver and signed with the secret, so no TLS is needed between the nodes. A message that an attacker repeats
/// is carried out again, which the protocol makes harmless.
///
/// ```no_run
/// # async fn f(engine: std::sync::Arc<dyn tidings::engine::Engine>, secret: String) -> Result<(), Box<dyn std::error::Error>> {
/// use tidings::{Hub, peers::HttpPeers};
///
/// let peers = HttpPeers::new(engine.clone(), "http://10.0.0.7:4101/peers", &secret)?;
/// // Listen on an address that only the other nodes can reach.
/// let listener = tokio::net::TcpListener::bind("10.0.0.7:4101").await?;
/// let routes = axum::Router::new().nest("/peers", peers.routes());
/// tokio::spawn(async move { axum::serve(listener, routes).await });
/// let hub = Hub::builder().engine(engine).peers(Some(std::sync::Arc::new(peers))).build().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct HttpPeers {
    mailbox: Mailbox<Http>,
}

/// Why the nodes cannot reach each other with these settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpPeersError {
    /// The URL is not a complete `http://` URL.
    #[error("the URL of this node is not a complete http:// URL such as http://10.0.0.7:4101/peers")]
    Url,
    /// The secret is shorter than 16 bytes.
    #[error("the secret that the nodes share must have at least {SECRET_BYTES} bytes")]
    Secret,
}

impl HttpPeers {
    /// A node that is reachable at `url` by all nodes that know the secret, which must have at least 16 bytes and be
    /// the same for all nodes of a log. Call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`HttpPeersError`].
    pub fn new(engine: Arc<dyn Engine>, url: &str, secret: &str) -> Result<Self, HttpPeersError> {
        let parsed: Uri = url.parse().map_err(|_| HttpPeersError::Url)?;
        if parsed.scheme() != Some(&Scheme::HTTP) || parsed.host().is_none() {
            return Err(HttpPeersError::Url);
        }
        if secret.len() < SECRET_BYTES {
            return Err(HttpPeersError::Secret);
        }
        let key = Hmac::new_from_slice(secret.as_bytes()).map_err(|_| HttpPeersError::Secret)?;
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { mailbox: Mailbox::new(Http { engine, url: url.to_owned(), key, client }) })
    }

    /// The routes that the other nodes call; nest them into a router at the path of the URL.
    pub fn routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let receiving = Receiving { inbox: self.mailbox.inbox(), key: self.mailbox.post().key.clone() };
        Router::new().route("/", post(receive)).layer(DefaultBodyLimit::max(MESSAGE_BYTES)).with_state(receiving)
    }
}

#[async_trait]
impl Peers for HttpPeers {
    async fn join(&self, node: NodeId, responder: std::sync::Weak<dyn Responder>) -> Result<(), PeersError> {
        self.mailbox.join(node, responder).await
    }

    async fn call(&self, node: NodeId, message: Bytes, deadline: Duration) -> Result<Bytes, CallError> {
        self.mailbox.call(node, message, deadline).await
    }

    async fn tell(&self, from: NodeId, message: Bytes) -> Result<(), PeersError> {
        self.mailbox.tell(from, message).await
    }
}

#[derive(Clone)]
struct Receiving {
    inbox: Inbox<Http>,
    key: Hmac<Sha256>,
}

async fn receive(State(Receiving { inbox, key }): State<Receiving>, headers: HeaderMap, sealed: Bytes) -> StatusCode {
    let signature = headers.get(SIGNATURE).and_then(|text| bytes_of(text.as_bytes()));
    let is_signed = signature.is_some_and(|signature| key.chain_update(&sealed).verify_slice(&signature).is_ok());
    match is_signed {
        false => StatusCode::UNAUTHORIZED,
        true if inbox.take(&sealed) => StatusCode::NO_CONTENT,
        true => StatusCode::GONE,
    }
}

fn bytes_of(digits: &[u8]) -> Option<Vec<u8>> {
    let pairs = digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    if digits.len().is_multiple_of(2) { pairs.collect() } else { None }
}

struct Http {
    engine: Arc<dyn Engine>,
    url: String,
    key: Hmac<Sha256>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// A node's entry in the map.
#[derive(Serialize, Deserialize)]
struct Listed {
    at: u64,
    place: String,
}

impl Http {
    async fn list(&self, node: NodeId, place: &str) -> Result<(), EngineError> {
        let (key, metadata) = (format!("{PREFIX}{node}"), self.engine.metadata());
        loop {
            let held = metadata.get(&key).await?;
            let listed = held.as_deref().and_then(|held| serde_json::from_slice::<Listed>(held).ok());
            let now = wall_clock_ms();
            if listed.is_some_and(|listed| listed.place == place && now.abs_diff(listed.at) < millis(RENEWED)) {
                return Ok(());
            }
            let listed = Listed { at: now, place: place.to_owned() };
            let listed = serde_json::to_vec(&listed).map_err(|error| EngineError(error.into()))?;
            if metadata.swap(&key, held.as_deref(), Some(listed)).await? {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl Post for Http {
    fn address(&self) -> String {
        self.url.clone()
    }

    async fn announce(&self, nodes: &[NodeId], place: &str) -> Result<(), Source> {
        for node in nodes {
            self.list(*node, place).await.map_err(|EngineError(source)| source)?;
        }
        Ok(())
    }

    async fn places(&self) -> Result<Vec<(NodeId, String)>, Source> {
        let metadata = self.engine.metadata();
        let listed = metadata.list(PREFIX).await.map_err(|EngineError(source)| source)?;
        let (now, mut places) = (wall_clock_ms(), Vec::new());
        for (key, value) in listed {
            let node = key.strip_prefix(PREFIX).and_then(|node| u32::from_str_radix(node, 16).ok());
            let Some((node, listed)) = node.zip(serde_json::from_slice::<Listed>(&value).ok()) else { continue };
            let age = Duration::from_millis(now.saturating_sub(listed.at));
            if age > KEPT {
                // Another node may have written the same entry.
                let _ = metadata.swap(&key, Some(&value), None).await;
            } else if age < BELIEVED.max(3 * ANNOUNCE_INTERVAL) {
                places.push((NodeId(node), listed.place));
            }
        }
        Ok(places)
    }

    async fn send(&self, address: &str, sealed: Vec<u8>) -> Result<bool, Source> {
        let signature = self.key.clone().chain_update(&sealed).finalize().into_bytes();
        let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = Request::post(address).header(SIGNATURE, signature).body(Full::from(sealed))?;
        match self.client.request(request).await {
            Ok(answer) => match answer.status() {
                StatusCode::NO_CONTENT => Ok(true),
                StatusCode::GONE | StatusCode::NOT_FOUND => Ok(false),
                status => Err(format!("the other node answered {status}").into()),
            },
            Err(error) if is_refused(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether nothing listens at that address.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
