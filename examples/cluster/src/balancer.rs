//! A balancer that knows no sessions: each request goes to the next hub that accepts a connection, and the answer comes back as it is
//! written.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Before these hubs; clones share whose turn it is.
#[derive(Clone)]
pub(crate) struct Balancer {
    hubs: Arc<[SocketAddr]>,
    next: Arc<AtomicUsize>,
}

impl Balancer {
    pub(crate) fn before(hubs: impl Iterator<Item = SocketAddr>) -> Self {
        Self { hubs: hubs.collect(), next: Arc::default() }
    }
}

/// Sends a request on its way. A hub that refuses the connection has not seen the request, so the next one gets it.
pub(crate) async fn forward(State(Balancer { hubs, next }): State<Balancer>, request: Request) -> Response {
    let first = next.fetch_add(1, Ordering::Relaxed);
    for turn in 0..hubs.len() {
        let hub = hubs[first.wrapping_add(turn) % hubs.len()];
        let Ok(socket) = TcpStream::connect(hub).await else { continue };
        return match send(socket, request).await {
            Ok(response) => response,
            // It died on the way, and may have done what was asked.
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        };
    }
    (StatusCode::SERVICE_UNAVAILABLE, "no hub is alive").into_response()
}

/// Sends a request over a connection of its own, which ends with the answer.
pub(crate) async fn send(socket: TcpStream, mut request: Request) -> hyper::Result<Response> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Ends when the answer was read, or is not read any more.
    tokio::spawn(connection);
    request.headers_mut().remove(header::CONNECTION);
    let mut response = sender.send_request(request).await?.map(Body::new);
    response.headers_mut().remove(header::CONNECTION);
    Ok(response)
}
