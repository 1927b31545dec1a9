//! A balancer without sticky sessions: each request goes to the next hub that accepts a connection, and the answer is
//! passed on while the hub writes it.

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

/// A balancer in front of these hubs; its clones share the counter that selects the next one.
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

/// Forwards a request. A hub that refuses the connection has not received the request, so the next hub gets it.
pub(crate) async fn forward(State(Balancer { hubs, next }): State<Balancer>, request: Request) -> Response {
    let first = next.fetch_add(1, Ordering::Relaxed);
    for turn in 0..hubs.len() {
        let hub = hubs[first.wrapping_add(turn) % hubs.len()];
        let Ok(socket) = TcpStream::connect(hub).await else { continue };
        return match send(socket, request).await {
            Ok(response) => response,
            // The hub died during the request, and may have carried it out.
            Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
        };
    }
    (StatusCode::SERVICE_UNAVAILABLE, "no hub is alive").into_response()
}

/// Sends a request over its own connection, which ends with the answer.
pub(crate) async fn send(socket: TcpStream, mut request: Request) -> hyper::Result<Response> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
    // Ends when the answer has been read, or its reader is gone.
    tokio::spawn(connection);
    request.headers_mut().remove(header::CONNECTION);
    let mut response = sender.send_request(request).await?.map(Body::new);
    response.headers_mut().remove(header::CONNECTION);
    Ok(response)
}
