//! JSON Web Tokens of an identity provider, whose public keys are fetched as a JWKS document, at the start and every
//! five minutes. With `--token-parameter` a token in the URL is accepted too; proxies log URLs, so prefer tickets
//! (`auth_tickets`).
//!
//! ```text
//! cargo run -p tidings --features jwt --example auth_jwks
//! TOKEN=$(curl 127.0.0.1:4101/token?user=ana)
//! curl -N -H "Authorization: Bearer $TOKEN" '127.0.0.1:4100/api/events?channels=timer:ana'
//! ```
#![allow(clippy::print_stdout)]

use std::{collections::HashMap, time::Duration};

use axum::{Json, Router, extract::Query, http::StatusCode, routing::get};
use jsonwebtoken::{Algorithm, EncodingKey, Header, get_current_timestamp, jwk::Jwk};
use serde_json::{Value, json};
use tidings::{
    Hub,
    auth::{Auth, Jwt, JwtKeys},
};

type Error = Box<dyn std::error::Error + Send + Sync>;

const ISSUER: &str = "https://login.example";
const AUDIENCE: &str = "tidings";
const KID: &str = "2026";

/// Stands for the identity provider.
fn provider() -> Router {
    let key = || EncodingKey::from_ed_pem(include_bytes!("../tests/keys/ed25519.private.pem"));
    let keys = move || -> Result<Json<Value>, StatusCode> {
        let mut public =
            key().and_then(|key| Jwk::from_encoding_key(&key, Algorithm::EdDSA)).map_err(|error| broken(&error))?;
        public.common.key_id = Some(KID.into());
        Ok(Json(json!({"keys": [public]})))
    };
    let token = move |Query(form): Query<HashMap<String, String>>| async move {
        let header = Header { kid: Some(KID.into()), ..Header::new(Algorithm::EdDSA) };
        let claims = json!({
            "sub": form.get("user"), "iss": ISSUER, "aud": AUDIENCE,
            "iat": get_current_timestamp(), "exp": get_current_timestamp() + 3_600,
            "tidings": {"subscribe": ["timer:{user}"]},
        });
        key().and_then(|key| jsonwebtoken::encode(&header, &claims, &key)).map_err(|error| broken(&error))
    };
    Router::new().route("/.well-known/jwks.json", get(async move || keys())).route("/token", get(token))
}

fn broken(error: &jsonwebtoken::errors::Error) -> StatusCode {
    println!("the provider failed: {error}");
    StatusCode::INTERNAL_SERVER_ERROR
}

async fn fetched(jwks: &str) -> Result<JwtKeys, Error> {
    Ok(JwtKeys::jwks(&reqwest::get(jwks).await?.error_for_status()?.text().await?)?)
}

async fn app(hub: Hub, jwks: String, token_parameter: bool) -> Result<Router, Error> {
    let jwt = Jwt::new(fetched(&jwks).await?).issuer(ISSUER).audience(AUDIENCE);
    let renewed = jwt.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(300)).await;
            match fetched(&jwks).await {
                Ok(keys) => renewed.replace_keys(keys),
                // The previous keys stay in use.
                Err(error) => println!("the keys could not be fetched, so the previous ones stay in use: {error}"),
            }
        }
    });
    let jwt = if token_parameter { jwt.token_parameter() } else { jwt };
    Ok(Router::new().nest("/api/events", tidings::routes(hub, jwt.allow("news:*")?)))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let theirs = tokio::net::TcpListener::bind("127.0.0.1:4101").await?;
    tokio::spawn(async move { axum::serve(theirs, provider()).await });
    let jwks = "http://127.0.0.1:4101/.well-known/jwks.json".to_owned();
    let token_parameter = std::env::args().any(|argument| argument == "--token-parameter");
    let app = app(Hub::builder().build().await?, jwks, token_parameter).await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:4100").await?;
    println!("listening on http://{}; tokens at http://127.0.0.1:4101/token?user=ana", listener.local_addr()?);
    tidings::serve(listener, app).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts the hub and its provider. Returns their addresses.
    async fn started(token_parameter: bool) -> (String, String) {
        let theirs = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider_url = format!("http://{}", theirs.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(theirs, provider()).await });
        let jwks = format!("{provider_url}/.well-known/jwks.json");
        let app = app(Hub::builder().build().await.unwrap(), jwks, token_parameter).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let hub = format!("http://{}/api/events", listener.local_addr().unwrap());
        tokio::spawn(async move { tidings::serve(listener, app).await });
        (hub, provider_url)
    }

    #[tokio::test]
    async fn a_token_of_the_provider_opens_a_stream_in_a_header_and_where_switched_on_in_the_url() {
        for token_parameter in [false, true] {
            let (hub, provider) = started(token_parameter).await;
            let token = reqwest::get(format!("{provider}/token?user=ana")).await.unwrap().text().await.unwrap();
            let http = reqwest::Client::new();
            let stream = format!("{hub}?channels=timer:ana,timer:bob");
            let mut answer = http.get(&stream).bearer_auth(&token).send().await.unwrap();
            let greeting = answer.chunk().await.unwrap().unwrap();
            let greeting = String::from_utf8_lossy(&greeting);
            assert!(greeting.contains(r#""channels":["timer:ana"]"#), "{greeting}");
            let by_url = http.get(format!("{stream}&token={token}")).send().await.unwrap();
            assert_eq!(by_url.status(), if token_parameter { 200 } else { 401 });
        }
    }
}
