//! `POST /latency`: the delivery times that clients measured.

use serde_json::{Value, json};
use tidings::{Limits, Rate, Routes};

use crate::fixture::{Answer, Fixture, Stream, auth};

async fn fixture() -> Fixture {
    Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth()).latency()).await
}

async fn report(fixture: &Fixture, token: &str, stream: &Stream, ms: Value) -> Answer {
    fixture.client(token).post("/latency", json!({"connectionId": stream.connection_id(), "ms": ms})).await
}

#[tokio::test]
async fn the_latencies_that_clients_report_are_in_the_metrics() {
    let fixture = fixture().await;
    let stream = fixture.stream("ana", &[]).await;
    assert_eq!(report(&fixture, "ana", &stream, json!([5, 15])).await.status, 204);
    let time = fixture.hub.stats().delivery_time;
    assert_eq!((time.count, time.mean().as_millis(), time.longest.as_millis()), (2, 10, 15));
}

#[tokio::test]
async fn a_clock_that_goes_wrong_spoils_no_more_than_an_hour() {
    let fixture = fixture().await;
    let stream = fixture.stream("ana", &[]).await;
    assert_eq!(report(&fixture, "ana", &stream, json!([u64::MAX])).await.status, 204);
    assert_eq!(fixture.hub.stats().delivery_time.longest.as_secs(), 3_600);
}

#[tokio::test]
async fn a_report_about_another_users_stream_is_refused() {
    let fixture = fixture().await;
    let mut stream = fixture.stream("ana", &[("channels", "news:1")]).await;
    for token in ["eve", "anonymous"] {
        report(&fixture, token, &stream, json!([1])).await.is_problem(404, "unknownConnection");
    }
    report(&fixture, "", &stream, json!([1])).await.is_problem(401, "credentialsMissing");
    assert_eq!(fixture.hub.stats().delivery_time.count, 0);
    fixture.publish("news:1", "goes on").await;
    stream.hears("goes on").await;
}

#[tokio::test]
async fn a_report_may_come_after_its_stream_but_not_from_an_anonymous_caller() {
    let fixture = fixture().await;
    let gone = json!({"connectionId": "00000000.0", "ms": [1]});
    assert_eq!(fixture.client("ana").post("/latency", gone.clone()).await.status, 204);
    fixture.client("anonymous").post("/latency", gone).await.is_problem(404, "unknownConnection");
    assert_eq!(fixture.hub.stats().delivery_time.count, 1);
}

#[tokio::test]
async fn reports_are_limited_as_other_calls_are() {
    let limits = Limits::default().subscribe_rate(Rate::per_second(1));
    let fixture = Fixture::mounting(|hub| hub, |hub| Routes::new(hub, auth()).latency().limits(limits)).await;
    let stream = fixture.stream("ana", &[]).await;
    let mut last = report(&fixture, "ana", &stream, json!([1])).await;
    for _ in 0..100 {
        if last.status != 204 {
            break;
        }
        last = report(&fixture, "ana", &stream, json!([1])).await;
    }
    last.is_problem(429, "tooManyRequests");
    assert_eq!(last.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_report_with_a_bad_value_is_refused_as_a_whole() {
    let fixture = fixture().await;
    let stream = fixture.stream("ana", &[]).await;
    report(&fixture, "ana", &stream, json!(vec![1; 101])).await.is_problem(400, "tooMany");
    for ms in [json!([1, -1]), json!([1.5]), json!(["1"]), json!(null)] {
        report(&fixture, "ana", &stream, ms).await.is_problem(400, "malformed");
    }
    assert_eq!(fixture.hub.stats().delivery_time.count, 0);
}

#[tokio::test]
async fn the_endpoint_is_there_only_where_it_is_mounted() {
    let fixture = Fixture::start().await;
    let stream = fixture.stream("ana", &[]).await;
    report(&fixture, "ana", &stream, json!([1])).await.is_problem(404, "notFound");
}
