//! The figures as an exporter shows them. This is a process of its own, because a process has only one recorder.

use std::time::Duration;

use axum::{Router, body::Body};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use tidings::{
    Event, Hub, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity, Jwt, JwtKey, MemoryTickets},
};
use tower::ServiceExt;

const SECRET: &str = "s3cret-of-ana";

async fn send(router: &Router, request: http::request::Builder, body: impl Into<Body>) -> http::Response<Body> {
    router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
}

/// The value on the line of the page that contains these parts.
fn value(page: &PrometheusHandle, parts: &[&str]) -> Option<f64> {
    let text = page.render();
    let line = text.lines().find(|line| !line.starts_with('#') && parts.iter().all(|part| line.contains(part)))?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits until the hub has exported this value.
async fn shows(page: &PrometheusHandle, parts: &[&str], expected: f64) {
    let shown = async {
        while value(page, parts) != Some(expected) {
            tokio::task::yield_now().await;
        }
    };
    let shown = tokio::time::timeout(Duration::from_secs(20), shown).await;
    assert!(shown.is_ok(), "{parts:?}: {:?}\n{}", value(page, parts), page.render());
}

#[tokio::test]
async fn an_exporter_shows_what_a_hub_does_and_no_credentials() {
    let page = PrometheusBuilder::new().set_buckets(&[0.01, 1.0]).unwrap().install_recorder().unwrap();
    let hub = Hub::builder().build().await.unwrap();
    let ana = |request: AuthRequest| async move {
        match request.headers().get("x-secret").ok_or(AuthError::Missing)?.to_str() {
            Ok(SECRET) => Identity::user("ana"),
            _ => Err(AuthError::Invalid),
        }
    };
    let auth = ana.or(Jwt::new(JwtKey::hs256([7; 32]).unwrap()).token_parameter()).allow("news").unwrap();
    let routes = Routes::new(hub.clone(), auth).tickets(MemoryTickets::default()).latency();
    let router: Router = routes.into_router();
    let get = |uri: &str| Request::get(uri.to_owned());

    let mut stream = send(&router, get("/?channels=news").header("x-secret", SECRET), ()).await.into_body();
    let greeting = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    let greeting = String::from_utf8(greeting.to_vec()).unwrap();
    let connection = greeting.split("\"connectionId\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    hub.publish(Event::new("news", "said", "hello").unwrap()).await.unwrap();
    let frame = stream.frame().await.unwrap().unwrap().into_data().unwrap();
    shows(&page, &["tidings_connections", "live"], 1.0).await;
    shows(&page, &["tidings_users"], 1.0).await;
    shows(&page, &["tidings_published_total", "acknowledged"], 1.0).await;
    shows(&page, &["tidings_deliveries_total"], 1.0).await;
    shows(&page, &["tidings_sent_bytes_total"], f64::from(u32::try_from(greeting.len() + frame.len()).unwrap())).await;
    shows(&page, &["tidings_publish_seconds_count"], 1.0).await;
    shows(&page, &["tidings_fan_out_seconds_count"], 1.0).await;
    shows(&page, &["tidings_lag_records"], 0.0).await;

    let malformed = "/?lastEventId=nonsense";
    let mut gap = send(&router, get(malformed).header("x-secret", SECRET), ()).await.into_body();
    gap.frame().await.unwrap().unwrap();
    shows(&page, &["tidings_gaps_total", "malformed"], 1.0).await;

    let tokens = ["/check?token=eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "/?ticket=tick3t"];
    for uri in tokens {
        assert_eq!(send(&router, get(uri), ()).await.status(), StatusCode::UNAUTHORIZED);
    }
    let wrong = get("/check").header("x-secret", "wr0ng").header("cookie", "session=c00kie");
    assert_eq!(send(&router, wrong, ()).await.status(), StatusCode::UNAUTHORIZED);
    shows(&page, &["tidings_refusals_total", "credentialsMalformed"], 1.0).await;
    shows(&page, &["tidings_refusals_total", "credentialsInvalid"], 2.0).await;

    let post = |body: serde_json::Value| {
        let request = Request::post("/latency").header("x-secret", SECRET).header("content-type", "application/json");
        send(&router, request, body.to_string())
    };
    assert_eq!(post(json!({"connectionId": connection, "ms": [5, 15]})).await.status(), StatusCode::NO_CONTENT);
    shows(&page, &["tidings_delivery_seconds_count"], 2.0).await;
    let many = post(json!({"connectionId": connection, "ms": vec![1; 101]})).await;
    assert_eq!(many.status(), StatusCode::BAD_REQUEST);

    let stats = hub.stats();
    assert_eq!((stats.published, stats.deliveries, stats.users, stats.connections), (1, 1, 1, 2));
    assert_eq!((stats.delivery_time.count, stats.delivery_time.mean()), (2, Duration::from_millis(10)));
    assert!(stats.sent_bytes > (greeting.len() + frame.len()) as u64, "the other stream's too");
    drop((stream, gap));
    shows(&page, &["tidings_connections", "live"], 0.0).await;

    let text = page.render();
    for secret in [SECRET, "eyJ", "c2lnbmF0dXJl", "tick3t", "wr0ng", "c00kie", &connection, "ana"] {
        assert!(!text.contains(secret), "{secret} is shown:\n{text}");
    }
}
