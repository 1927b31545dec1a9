//! The limits on what a caller may use, and how they are reported.

use std::time::Duration;

use serde_json::json;
use tidings::{ClientAddress, Cors, Limits, Rate, Routes};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::fixture::{Answer, Fixture, answering, auth, eventually};

async fn with(limits: Limits) -> Fixture {
    Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth()).publish().limits(limits)).await
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, code: &str) -> u64 {
    answer.is_problem(status, code);
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

mod connections {
    use super::*;

    #[tokio::test]
    async fn of_a_user() {
        let fixture = with(Limits::default().connections_per_user(2)).await;
        let ana = fixture.client("ana");
        let _first = tokio::spawn(answering(ana.clone(), ana.stream(&[]).await));
        let second = tokio::spawn(answering(ana.clone(), ana.stream(&[]).await));
        assert_eq!(is_refused(&ana.get("", &[]).await, 429, "tooManyConnections"), 10);
        is_refused(&ana.get("/check", &[]).await, 429, "tooManyConnections");
        let mut bob = fixture.stream("bob", &[("channels", "news:1")]).await;
        fixture.publish("news:1", "goes on").await;
        bob.hears("goes on").await;

        second.abort();
        // The place is free after the server has noticed the end.
        eventually(|| fixture.hub.connection_count("ana").unwrap() == 1).await;
        ana.get("/check", &[]).await.good();
        ana.stream(&[]).await;
    }

    #[tokio::test]
    async fn anonymous_calls_have_limits_apart_from_users() {
        let fixture = with(Limits::default().connections_per_user(1)).await;
        let _first = fixture.stream("anonymous", &[]).await;
        fixture.stream("anonymous", &[]).await;
    }

    #[tokio::test]
    async fn from_an_address() {
        let fixture = with(Limits::default().connections_per_address(1)).await;
        let ana = fixture.client("ana");
        let _first = tokio::spawn(answering(ana.clone(), ana.stream(&[]).await));
        let forged = fixture.client("bob").header("x-forwarded-for", "1.2.3.4").header("x-real-ip", "1.2.3.4");
        assert_eq!(is_refused(&forged.get("", &[]).await, 429, "tooManyConnections"), 10);
    }

    #[tokio::test]
    async fn from_an_address_behind_a_proxy() {
        let limits = Limits::default().connections_per_address(1).client_address(ClientAddress::forwarded_for(1));
        let fixture = with(limits).await;
        let from = |hops: &str| fixture.client("ana").header("x-forwarded-for", hops);
        let first = from("1.1.1.1");
        let _first = tokio::spawn(answering(first.clone(), first.stream(&[]).await));
        let _second = from("2.2.2.2").stream(&[]).await;
        let answer = from("9.9.9.9, 1.1.1.1").get("", &[]).await;
        is_refused(&answer, 429, "tooManyConnections");
    }

    #[tokio::test]
    async fn in_all() {
        let fixture = with(Limits::default().connections(2)).await;
        let _streams = [fixture.stream("ana", &[]).await, fixture.stream("anonymous", &[]).await];
        let bob = fixture.client("bob");
        assert_eq!(is_refused(&bob.get("", &[]).await, 503, "full"), 10);
        is_refused(&bob.get("/check", &[]).await, 503, "full");
    }

    #[tokio::test]
    async fn that_were_refused_for_another_reason_take_no_place() {
        let fixture = with(Limits::default().connections(1)).await;
        fixture.client("ana").get("", &[("channels", "a::b")]).await.is_problem(400, "malformedChannel");
        fixture.client("invalid").get("", &[]).await.is_problem(401, "credentialsInvalid");
        fixture.stream("ana", &[]).await;
    }
}

mod rates {
    use super::*;

    #[tokio::test]
    async fn of_subscribing() {
        // One a second in the long run, so that a slow machine does not gain another call.
        let fixture = with(Limits::default().subscribe_rate(Rate::per_second(1).burst(3))).await;
        let stream = fixture.stream("ana", &[]).await;
        let body = json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": ["news:1"]});
        let ana = fixture.client("ana");
        let mut refused = None;
        for number in 0..100 {
            let path = if number % 2 == 0 { "/subscribe" } else { "/unsubscribe" };
            let answer = ana.post(path, body.clone()).await;
            if answer.status != 200 {
                assert!(number >= 3, "{number} calls were let through");
                refused = Some(answer);
                break;
            }
        }
        assert_eq!(is_refused(&refused.expect("a refusal"), 429, "tooManyRequests"), 1);
        fixture.client("bob").post("/subscribe", body).await.is_problem(404, "unknownConnection");
    }

    #[tokio::test]
    async fn anonymous_calls_are_limited_by_stream() {
        let fixture = with(Limits::default().subscribe_rate(Rate::per_second(1))).await;
        let guest = fixture.client("anonymous");
        let (first, second) = (guest.stream(&[]).await, guest.stream(&[]).await);
        let body = |stream: &crate::fixture::Stream| json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": ["news:1"]});
        let mut last = guest.post("/subscribe", body(&first)).await;
        for _ in 0..100 {
            if last.status != 200 {
                break;
            }
            last = guest.post("/subscribe", body(&first)).await;
        }
        is_refused(&last, 429, "tooManyRequests");
        guest.post("/subscribe", body(&second)).await.good();
    }

    /// A body of 4 MiB holds that many; an algorithm of quadratic time would take minutes.
    #[tokio::test]
    async fn are_not_needed_against_very_many_channels() {
        let fixture = with(Limits::default()).await;
        let stream = fixture.stream("ana", &[("channels", "news:1")]).await;
        let channels: Vec<_> = (0..15_000).map(|number| format!("news:{number}")).collect();
        let body = json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": channels});
        let ana = fixture.client("ana");
        assert_eq!(ana.post("/subscribe", body.clone()).await.good()["accepted"].as_array().unwrap().len(), 100);
        assert_eq!(ana.post("/unsubscribe", body).await.good()["accepted"].as_array().unwrap().len(), 15_000);
    }

    #[tokio::test]
    async fn publishing_is_limited_by_events() {
        let fixture = with(Limits::default().publish_rate(Rate::per_second(1).burst(3))).await;
        let events = |count: usize| vec![json!({"channel": "chat:1", "type": "said"}); count].into();
        let ana = fixture.client("ana");
        ana.post("/publish", events(3)).await.good();
        let seconds = is_refused(&ana.post("/publish", events(3)).await, 429, "tooManyRequests");
        assert!((1..=3).contains(&seconds), "{seconds}");
        ana.post("/publish", events(4)).await.is_problem(400, "tooMany");
        fixture.client("bob").post("/publish", events(1)).await.good();
        fixture.client("backend").post("/publish", events(100)).await.good();
    }
}

mod sizes {
    use super::*;

    #[tokio::test]
    async fn of_a_url() {
        let fixture = with(Limits::default().url_bytes(100)).await;
        let ana = fixture.client("ana");
        ana.get("/check", &[("x", &"y".repeat(100))]).await.is_problem(414, "urlTooLong");
        ana.get("/check", &[("x", &"y".repeat(80))]).await.good();
    }

    #[tokio::test]
    async fn of_the_headers() {
        let fixture = with(Limits::default().header_bytes(1_000)).await;
        let large = fixture.client("ana").header("x-large", &"y".repeat(1_000));
        large.get("/check", &[]).await.is_problem(431, "headersTooLarge");
        fixture.client("ana").header("x-large", &"y".repeat(500)).get("/check", &[]).await.good();
    }

    /// By default the routes see requests that are too large before the server cuts them off, and report them to pages
    /// of other origins too.
    #[tokio::test]
    async fn that_are_exceeded_are_told_by_problems_that_a_page_can_read() {
        let routes = |hub| Routes::new(hub, auth()).cors(Cors::origins(["https://app.example"]).unwrap());
        let fixture = Fixture::mounting(|hub| hub, routes).await;
        let page = fixture.client("ana").header("origin", "https://app.example");
        let large = page.clone().header("cookie", &"y".repeat(33 << 10)).get("/check", &[]).await;
        large.is_problem(431, "headersTooLarge");
        let long = page.get("/check", &[("x", &"y".repeat(9 << 10))]).await;
        long.is_problem(414, "urlTooLong");
        for answer in [large, long] {
            assert_eq!(answer.headers["access-control-allow-origin"], "https://app.example");
        }
    }

    #[tokio::test]
    async fn unknown_paths_have_a_limit_too() {
        let fixture = with(Limits::default().url_bytes(100)).await;
        fixture.client("").get(&format!("/{}", "y".repeat(100)), &[]).await.is_problem(414, "urlTooLong");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let fixture = with(Limits::default().body_timeout(Duration::from_millis(100))).await;
    let mut socket = TcpStream::connect(fixture.address).await.unwrap();
    let head = "POST /api/events/subscribe HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 100\r\n\r\n{\"connectionId\"";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"requestTimeout""#), "{answer}");
}
