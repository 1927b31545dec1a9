//! One-time tickets, for clients that can set no header: a token is exchanged for a ticket, which opens one stream
//! within 30 s, so that a URL in a proxy's log is worthless. The browser client does this by itself.
//!
//! ```text
//! cargo run -p tidings --example auth_tickets
//! TICKET=$(curl -H 'Authorization: Bearer token-of-ana' 127.0.0.1:4100/api/events/ticket --json '{"deviceId":"d1"}' | jq -r .ticket)
//! curl -N "127.0.0.1:4100/api/events?channels=timer:ana&deviceId=d1&ticket=$TICKET"
//! ```
#![allow(clippy::print_stdout)]

use axum::Router;
use tidings::{
    ChannelError, Hub, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity, MemoryTickets},
};

fn app(hub: Hub) -> Result<Router, ChannelError> {
    // Tickets work with any authentication: every identity that it accepts may have one.
    let auth = |request: AuthRequest| async move {
        let token = request.bearer().ok_or(AuthError::Missing)?;
        Identity::user(token.strip_prefix("token-of-").ok_or(AuthError::Invalid)?)
    };
    let routes = Routes::new(hub, auth.allow("timer:{user}")?).tickets(MemoryTickets::default());
    Ok(Router::new().nest("/api/events", routes.into_router()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4100").await?;
    println!("listening on http://{}", listener.local_addr()?);
    tidings::serve(listener, app(Hub::builder().build().await?)?).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_ticket_opens_one_stream_of_its_owner() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/api/events", listener.local_addr().unwrap());
        let app = app(Hub::builder().build().await.unwrap()).unwrap();
        tokio::spawn(async move { tidings::serve(listener, app).await });
        let http = reqwest::Client::new();
        let call = http.post(format!("{base}/ticket")).bearer_auth("token-of-ana");
        let call = call.header("content-type", "application/json").body(r#"{"deviceId":"d1"}"#);
        let answer: serde_json::Value =
            serde_json::from_slice(&call.send().await.unwrap().bytes().await.unwrap()).unwrap();

        let ticket = answer["ticket"].as_str().unwrap();
        let stream = format!("{base}?channels=timer:ana&deviceId=d1&ticket={ticket}");
        let mut first = http.get(&stream).send().await.unwrap();
        let greeting = first.chunk().await.unwrap().unwrap();
        assert!(String::from_utf8_lossy(&greeting).contains(r#""userId":"ana""#));
        assert_eq!(http.get(&stream).send().await.unwrap().status(), 401, "it is spent");
    }
}
