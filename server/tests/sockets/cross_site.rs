//! Pages of other origins.

use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use tidings::{
    Cors, Limits, Routes,
    auth::{Auth, AuthError, AuthRequest, Identity},
};

use crate::fixture::{Client, Fixture, auth};

const APP: &str = "https://app.example";

async fn with_cors() -> Fixture {
    let limits = Limits::default().connections_per_user(1).url_bytes(1_000);
    Fixture::mounting(
        |hub| hub,
        |hub| {
            Routes::new(hub, auth())
                .publish()
                .limits(limits)
                .cors(Cors::origins([APP, "http://localhost:5173"]).unwrap().allow_headers(["x-trace"]).unwrap())
        },
    )
    .await
}

#[track_caller]
fn is_readable(headers: &HeaderMap) {
    assert_eq!(headers["access-control-allow-origin"], APP);
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert!(headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().to_lowercase().contains("origin")));
}

#[tokio::test]
async fn a_stream_is_readable_by_a_page_of_a_listed_origin() {
    let fixture = with_cors().await;
    is_readable(&fixture.client("ana").header("origin", APP).stream(&[]).await.headers);
    for other in ["https://evil.example", "http://app.example", "https://app.example:8443", "null"] {
        let stream = fixture.client("anonymous").header("origin", other).stream(&[]).await;
        assert!(!stream.headers.contains_key("access-control-allow-origin"), "{other}");
    }
}

#[tokio::test]
async fn refusals_of_every_kind_are_readable() {
    let fixture = with_cors().await;
    let page = |token: &str| fixture.client(token).header("origin", APP);
    let _stream = tokio::spawn(crate::fixture::answering(page("ana"), page("ana").stream(&[]).await));
    let large = json!({"channel": "chat:1", "type": "said", "payload": "x".repeat(70 << 10)});
    for (answer, status) in [
        (page("ana").get("", &[("channels", "a::b")]).await, 400),
        (page("").get("", &[]).await, 401),
        (page("banned").get("/check", &[]).await, 403),
        (page("ana").get("/nowhere", &[]).await, 404),
        (page("ana").get("/subscribe", &[]).await, 405),
        (page("ana").post("/publish", large).await, 413),
        (page("ana").get("", &[("x", &"y".repeat(1_000))]).await, 414),
        (page("ana").post_text("/publish", "text/plain", "{}").await, 415),
        (page("ana").get("", &[]).await, 429),
        (page("down").get("", &[]).await, 503),
    ] {
        assert_eq!(answer.status, status, "{}", answer.body);
        is_readable(&answer.headers);
        assert_eq!(answer.headers["access-control-expose-headers"], "retry-after");
    }
}

#[tokio::test]
async fn a_page_is_told_what_it_may_send() {
    let fixture = with_cors().await;
    let ask = async |origin: &str| {
        let page = fixture.client("").header("origin", origin).header("access-control-request-method", "POST");
        let page = page.header("access-control-request-headers", "authorization,content-type,x-device-id,x-trace");
        page.method(Method::OPTIONS, "/subscribe").await
    };
    let allowed = ask(APP).await;
    assert_eq!(allowed.status, 200);
    is_readable(&allowed.headers);
    let list = |name: &str| allowed.headers[name].to_str().unwrap().to_lowercase();
    assert!(list("access-control-allow-methods").contains("post"));
    for name in ["authorization", "content-type", "x-device-id", "x-session-id", "x-trace"] {
        assert!(list("access-control-allow-headers").contains(name), "{name}");
    }
    assert!(!ask("https://evil.example").await.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn without_a_list_no_page_of_another_origin_reads_anything() {
    let fixture = Fixture::start().await;
    let answer = fixture.client("ana").header("origin", APP).get("/check", &[]).await;
    assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control")));
}

/// A hub whose users authenticate by cookie, and a browser with Ana's cookie.
async fn with_cookies() -> (Fixture, Client) {
    let auth = |request: AuthRequest| async move {
        Identity::user(request.cookie("session").or(request.bearer().map(str::to_owned)).ok_or(AuthError::Missing)?)
    };
    let auth = auth.allow_publish("chat:{user}").unwrap();
    let fixture =
        Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth).publish().cors(Cors::origins([APP]).unwrap())).await;
    let browser = fixture.client("").header("cookie", "session=ana");
    (fixture, browser)
}

fn command() -> serde_json::Value {
    json!({"channel": "chat:ana", "type": "said"})
}

#[tokio::test]
async fn a_page_of_another_origin_commands_nothing_by_cookie() {
    let (fixture, browser) = with_cookies().await;
    for origin in ["https://evil.example", "null", "http://127.0.0.1", "https://app.example.evil", ""] {
        let page = browser.clone().header("origin", origin);
        for path in ["/publish", "/subscribe", "/unsubscribe"] {
            page.post(path, command()).await.is_problem(403, "originNotAllowed");
        }
        // A page needs no script and no preflight request to send these.
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
            page.post_text("/publish", content_type, "{}").await.is_problem(403, "originNotAllowed");
        }
    }
    for site in ["cross-site", "same-site"] {
        let own = format!("http://{}", fixture.address);
        let page = browser.clone().header("sec-fetch-site", site).header("origin", &own);
        page.post("/publish", command()).await.is_problem(403, "originNotAllowed");
    }
    assert_eq!(fixture.hub.cursor().seq, 0, "nothing was stored");
}

#[tokio::test]
async fn pages_of_its_own_and_of_listed_origins_command() {
    let (fixture, browser) = with_cookies().await;
    let own = format!("http://{}", fixture.address);
    browser.clone().header("origin", &own).post("/publish", command()).await.good();
    browser
        .clone()
        .header("origin", APP)
        .header("sec-fetch-site", "cross-site")
        .post("/publish", command())
        .await
        .good();
    // The request passed a proxy that changes the host.
    let same = browser.clone().header("origin", "https://front.example").header("sec-fetch-site", "same-origin");
    same.post("/publish", command()).await.good();
}

#[tokio::test]
async fn credentials_that_no_browser_adds_by_itself_need_no_origin() {
    let (fixture, browser) = with_cookies().await;
    browser.post("/publish", command()).await.good();
    let page = fixture.client("ana").header("origin", "https://other.example");
    page.post("/publish", command()).await.good();
}
