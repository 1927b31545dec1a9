//! Forward authentication: the hub runs beside an application in another language. Only that application can read its
//! sessions, so the hub forwards the cookies to it and asks for the user.
//!
//! ```text
//! cargo run -p tidings --features forward --example auth_forward
//! curl -N -b session=of-ana '127.0.0.1:4100/api/events?channels=timer:ana,room:7'
//! ```
#![allow(clippy::print_stdout)]

use axum::{
    Json, Router,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    routing::get,
};
use serde_json::{Value, json};
use tidings::{
    Hub,
    auth::{Auth, Forward},
};

/// Stands for the application: it answers which user a cookie belongs to, and may grant channels.
fn application() -> Router {
    Router::new().route(
        "/api/me",
        get(async |headers: HeaderMap| -> Result<Json<Value>, StatusCode> {
            match headers.get(header::COOKIE).map(HeaderValue::as_bytes) {
                Some(b"session=of-ana") => {
                    Ok(Json(json!({"userId": "ana", "subscribe": ["room:7"], "expiresIn": 3600})))
                }
                _ => Err(StatusCode::UNAUTHORIZED),
            }
        }),
    )
}

fn hub(hub: Hub, application: &str) -> Result<Router, Box<dyn std::error::Error>> {
    let auth = Forward::new(&format!("http://{application}/api/me"))?.allow("timer:{user}")?;
    Ok(Router::new().nest("/api/events", tidings::routes(hub, auth)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let theirs = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let router = hub(Hub::builder().build().await?, &theirs.local_addr()?.to_string())?;
    tokio::spawn(async move { axum::serve(theirs, application()).await });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4100").await?;
    println!("listening on http://{}", listener.local_addr()?);
    tidings::serve(listener, router).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whom_the_application_knows_is_in() {
        let theirs = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let router = hub(Hub::builder().build().await.unwrap(), &theirs.local_addr().unwrap().to_string()).unwrap();
        tokio::spawn(async move { axum::serve(theirs, application()).await });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = format!("http://{}/api/events?channels=timer:ana,room:7", listener.local_addr().unwrap());
        tokio::spawn(async move { tidings::serve(listener, router).await });

        let http = reqwest::Client::new();
        let stranger = http.get(&stream).header("cookie", "session=of-nobody").send().await.unwrap();
        assert_eq!(stranger.status(), 401);
        let mut ana = http.get(&stream).header("cookie", "session=of-ana").send().await.unwrap();
        let greeting = ana.chunk().await.unwrap().unwrap();
        let greeting = String::from_utf8_lossy(&greeting);
        assert!(greeting.contains(r#""userId":"ana""#), "{greeting}");
        assert!(greeting.contains(r#""channels":["timer:ana","room:7"]"#), "{greeting}");
    }
}
