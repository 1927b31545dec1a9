//! Bad input of every kind: each has its own status and code, and affects no other stream.

use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, Stream};

/// Makes a call beside another user's stream, which must continue.
async fn beside_a_stream(call: impl AsyncFnOnce(&Fixture) -> Answer) -> Answer {
    let fixture = Fixture::start().await;
    let mut canary = fixture.canary().await;
    let answer = call(&fixture).await;
    canary.lives().await;
    answer
}

async fn opening(query: &[(&str, &str)]) -> Answer {
    beside_a_stream(async |fixture| fixture.client("ana").get("", query).await).await
}

async fn with_token(token: &str) -> Answer {
    beside_a_stream(async |fixture| fixture.client(token).get("", &[]).await).await
}

/// A subscribe call of Ana's, whose valid body is changed by `spoil`.
async fn subscribing(spoil: impl FnOnce(&mut Value)) -> Answer {
    beside_a_stream(async |fixture| {
        let stream = fixture.stream("ana", &[]).await;
        let mut body = call_of(&stream);
        spoil(&mut body);
        fixture.client("ana").post("/subscribe", body).await
    })
    .await
}

fn call_of(stream: &Stream) -> Value {
    json!({"connectionId": stream.connection_id(), "requestId": "r1", "channels": ["news:1"]})
}

async fn posting(content_type: &'static str, body: &str) -> Answer {
    beside_a_stream(async |fixture| fixture.client("backend").post_text("/publish", content_type, body).await).await
}

mod opening_a_stream {
    use super::*;

    #[tokio::test]
    async fn a_malformed_channel() {
        for channels in ["a::b", "a b", "*:a", "a:b*", "news:1,,news:2", ",", "ä", &"a".repeat(201)] {
            opening(&[("channels", channels)]).await.is_problem(400, "malformedChannel");
        }
    }

    #[tokio::test]
    async fn a_malformed_device_id() {
        for device in ["two words", "", "ä", "a\nb", &"a".repeat(129)] {
            opening(&[("deviceId", device)]).await.is_problem(400, "malformed");
        }
    }

    #[tokio::test]
    async fn a_client_of_another_edition_of_the_protocol_is_refused() {
        let answer = opening(&[("protocol", "3"), ("token", "none")]).await;
        answer.is_problem(400, "unsupportedProtocol");
        for edition in ["", "two", "-2", &"9".repeat(1_000)] {
            opening(&[("protocol", edition)]).await.is_problem(400, "unsupportedProtocol");
        }
        let check =
            beside_a_stream(async |fixture| fixture.client("ana").get("/check", &[("protocol", "3")]).await).await;
        check.is_problem(400, "unsupportedProtocol");
        let fixture = Fixture::start().await;
        fixture.stream("ana", &[("protocol", "2")]).await;
    }

    #[tokio::test]
    async fn a_malformed_session_id() {
        opening(&[("sessionId", "two words")]).await.is_problem(400, "malformed");
    }

    #[tokio::test]
    async fn channels_over_the_limit_are_rejected_one_by_one() {
        let fixture = Fixture::with(|hub| hub.channels_per_connection(2)).await;
        let mut stream = fixture.stream("ana", &[("channels", "admin,news:1,news:2,news:3")]).await;
        assert_eq!(stream.connected.data["channels"], json!(["news:1", "news:2"]));
        let rejected = json!([
            {"channel": "admin", "code": "forbidden"},
            {"channel": "news:3", "code": "tooManyChannels"},
        ]);
        assert_eq!(stream.connected.data["rejected"], rejected);
        fixture.publish("news:3", "over the limit").await;
        fixture.publish("news:2", "within").await;
        stream.hears("within").await;
    }

    #[tokio::test]
    async fn parameters_that_are_not_ours_are_left_alone() {
        let fixture = Fixture::start().await;
        let mut stream = fixture.stream("ana", &[("channels", "news:1"), ("utm_source", "x"), ("", "")]).await;
        fixture.publish("news:1", 1).await;
        stream.hears(1).await;
    }
}

mod credentials {
    use super::*;

    #[tokio::test]
    async fn missing() {
        let answer = with_token("").await;
        answer.is_problem(401, "credentialsMissing");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }

    #[tokio::test]
    async fn invalid() {
        with_token("invalid").await.is_problem(401, "credentialsInvalid");
    }

    #[tokio::test]
    async fn expired() {
        with_token("expired").await.is_problem(401, "credentialsExpired");
    }

    #[tokio::test]
    async fn good_but_not_allowed_in() {
        with_token("banned").await.is_problem(403, "forbidden");
    }

    #[tokio::test]
    async fn not_to_be_checked_now() {
        with_token("down").await.is_problem(503, "unavailable");
    }

    #[tokio::test]
    async fn an_id_that_is_none() {
        with_token("a%00b").await.is_problem(401, "credentialsInvalid");
    }

    #[tokio::test]
    async fn are_needed_for_every_call() {
        let fixture = Fixture::start().await;
        let nobody = fixture.client("");
        nobody.get("/check", &[]).await.is_problem(401, "credentialsMissing");
        for path in ["/subscribe", "/unsubscribe", "/publish"] {
            nobody.post(path, json!({})).await.is_problem(401, "credentialsMissing");
        }
    }
}

mod calls {
    use super::*;

    #[tokio::test]
    async fn the_unspoilt_one_is_good() {
        subscribing(|_| ()).await.good();
    }

    #[tokio::test]
    async fn a_malformed_channel() {
        subscribing(|body| body["channels"] = json!(["news:1", "a::b"])).await.is_problem(400, "malformedChannel");
    }

    #[tokio::test]
    async fn no_channels() {
        subscribing(|body| body["channels"] = json!([])).await.is_problem(400, "malformed");
    }

    #[tokio::test]
    async fn a_malformed_since() {
        subscribing(|body| body["since"] = json!("yesterday")).await.is_problem(400, "malformedCursor");
    }

    #[tokio::test]
    async fn a_malformed_request_id() {
        subscribing(|body| body["requestId"] = json!("two words")).await.is_problem(400, "malformed");
    }

    #[tokio::test]
    async fn an_unknown_field() {
        subscribing(|body| body["sicne"] = json!("1.1.1")).await.is_problem(400, "malformed");
    }

    #[tokio::test]
    async fn an_unknown_connection() {
        for id in ["00000000.0", "", "no such", "ä"] {
            subscribing(|body| body["connectionId"] = id.into()).await.is_problem(404, "unknownConnection");
        }
    }

    #[tokio::test]
    async fn somebody_elses_connection() {
        let answer = beside_a_stream(async |fixture| {
            let anas = fixture.stream("ana", &[]).await;
            fixture.client("eve").post("/subscribe", call_of(&anas)).await
        });
        answer.await.is_problem(404, "unknownConnection");
    }

    #[tokio::test]
    async fn somebody_elses_connection_cannot_be_unsubscribed() {
        let fixture = Fixture::start().await;
        let mut anas = fixture.stream("ana", &[("channels", "news:1")]).await;
        for token in ["eve", "anonymous"] {
            let answer = fixture.client(token).post("/unsubscribe", call_of(&anas)).await;
            answer.is_problem(404, "unknownConnection");
        }
        fixture.publish("news:1", "still heard").await;
        anas.hears("still heard").await;
    }

    #[tokio::test]
    async fn a_forbidden_channel_is_rejected_in_a_200() {
        let answer = subscribing(|body| body["channels"] = json!(["admin"])).await.good();
        assert_eq!(answer, json!({"accepted": [], "rejected": [{"channel": "admin", "code": "forbidden"}]}));
    }
}

mod bodies {
    use super::*;

    #[tokio::test]
    async fn too_large() {
        let body = json!([{"channel": "news:1", "type": "t", "payload": "x".repeat(300 << 10)}]);
        posting("application/json", &body.to_string()).await.is_problem(413, "tooLarge");
    }

    #[tokio::test]
    async fn a_payload_too_large() {
        let body = json!({"channel": "news:1", "type": "t", "payload": "x".repeat(64 << 10)});
        posting("application/json", &body.to_string()).await.is_problem(413, "tooLarge");
    }

    #[tokio::test]
    async fn of_another_type() {
        let body = json!({"channel": "news:1", "type": "t"}).to_string();
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"] {
            posting(content_type, &body).await.is_problem(415, "unsupportedMediaType");
        }
    }

    #[tokio::test]
    async fn json_with_a_parameter_is_json() {
        let body = json!({"channel": "news:1", "type": "t", "to": {"users": ["nobody"]}}).to_string();
        posting("Application/JSON; charset=utf-8", &body).await.good();
    }

    #[tokio::test]
    async fn not_json() {
        let nested = "[".repeat(100_000);
        for body in ["", "{", "hello", "{\"channel\":\"news:1\",\"type\":\"t\"} trailing", "7", "null", &nested] {
            posting("application/json", body).await.is_problem(400, "malformed");
        }
    }
}

mod paths {
    use super::*;

    #[tokio::test]
    async fn an_unknown_one() {
        let answer = beside_a_stream(async |fixture| fixture.client("ana").get("/nowhere", &[]).await);
        answer.await.is_problem(404, "notFound");
    }

    #[tokio::test]
    async fn another_method() {
        let answer = beside_a_stream(async |fixture| fixture.client("ana").get("/subscribe", &[]).await).await;
        answer.is_problem(405, "methodNotAllowed");
        assert_eq!(answer.headers["allow"], "POST", "RFC 9110, section 15.5.6");
        let answer = beside_a_stream(async |fixture| fixture.client("ana").method(Method::DELETE, "").await).await;
        answer.is_problem(405, "methodNotAllowed");
    }

    #[tokio::test]
    async fn publish_where_it_is_not_mounted() {
        let hub = tidings::Hub::builder().build().await.unwrap();
        let auth = |_: tidings::auth::AuthRequest| async { Ok(tidings::auth::Identity::anonymous()) };
        let app: axum::Router = tidings::routes(hub, auth);
        let request = axum::http::Request::post("/publish").body(axum::body::Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(app, request).await.unwrap();
        assert_eq!(response.status(), 404);
    }
}

/// The functions of a test file, with the modules that contain them.
fn tests_in(name: &str, source: &str) -> Vec<String> {
    let (mut tests, mut module) = (Vec::new(), String::new());
    for line in source.lines() {
        if let Some(inner) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            module = format!("{inner}::");
        } else if line == "}" {
            module.clear();
        } else if let Some((_, rest)) = line.split_once("fn ") {
            let test = rest.split(['(', '<']).next().unwrap_or_default();
            tests.push(format!("{name}::{module}{test}"));
        }
    }
    tests
}

#[test]
fn the_table_is_true() {
    use tidings_protocol::{
        frame::{ClosingReason, RejectCode},
        problem::Code,
    };
    let sources = [
        ("access", include_str!("access.rs")),
        ("refusals", include_str!("refusals.rs")),
        ("credentials", include_str!("credentials.rs")),
        ("credentials::forwarding", include_str!("credentials/forwarding.rs")),
        ("credentials::tickets", include_str!("credentials/tickets.rs")),
        ("credentials::tokens", include_str!("credentials/tokens.rs")),
        ("cross_site", include_str!("cross_site.rs")),
        ("gone", include_str!("gone.rs")),
        ("grants", include_str!("grants.rs")),
        ("heads", include_str!("heads.rs")),
        ("idle", include_str!("idle.rs")),
        ("memory", include_str!("../memory.rs")),
        ("recorder", include_str!("../recorder.rs")),
        ("resting", include_str!("resting.rs")),
        ("slow_reader", include_str!("slow_reader.rs")),
        ("forgery", include_str!("forgery.rs")),
        ("http2_peers", include_str!("../../src/http/serve/connection/tests/http2_peers.rs")),
        ("latency", include_str!("latency.rs")),
        ("limits", include_str!("limits.rs")),
        ("living", include_str!("living.rs")),
        ("online", include_str!("online.rs")),
        ("poll", include_str!("poll.rs")),
        ("presence", include_str!("presence.rs")),
        ("publish", include_str!("publish.rs")),
        ("refresh", include_str!("refresh.rs")),
        ("revoke", include_str!("revoke.rs")),
        ("stream", include_str!("stream.rs")),
        ("subscribe", include_str!("subscribe.rs")),
        ("jwt", include_str!("../../src/auth/jwt/tests.rs")),
        ("ticket", include_str!("../../src/auth/ticket/tests.rs")),
        ("problem", include_str!("../../src/http/problem.rs")),
    ];
    let tests: Vec<_> = sources.iter().flat_map(|(name, source)| tests_in(name, source)).collect();
    let mut named = Vec::new();
    let table = include_str!("../../REFUSALS.md");
    for row in table.lines().filter(|line| line.starts_with("| ") && line.ends_with("` |")) {
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let test = cells[cells.len() - 2];
        assert!(tests.iter().any(|known| known == test), "there is no test {test}");
        // An attack is not a refusal, so it has no code.
        let [_, _, status, code, _, _] = cells[..] else {
            assert_eq!(cells.len(), 5, "{row}");
            continue;
        };
        if status == "200" {
            assert!(RejectCode::parse(code).is_some(), "{row}");
        } else if status == "closing" {
            assert!(ClosingReason::parse(code).is_some(), "{row}");
        } else {
            let code = Code::parse(code).unwrap_or_else(|| panic!("{row}"));
            assert_eq!(code.status().to_string(), status, "{row}");
            named.push(code.as_str());
        }
    }
    let all: Vec<Value> = serde_json::from_str(include_str!("../../../protocol/fixtures/problems.json")).unwrap();
    for code in all.iter().filter_map(|problem| problem["code"].as_str()) {
        assert!(named.contains(&code), "{code} is missing");
    }
}
