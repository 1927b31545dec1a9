//! Tickets: each opens one stream, within 30 s, on one device.

use super::*;

async fn ticket(client: &Client, device: &str) -> String {
    let answer = client.post("/ticket", json!({"deviceId": device})).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    let answer = answer.good();
    assert_eq!(answer["expiresIn"], 30);
    answer["ticket"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_ticket_opens_one_stream_of_its_owner() {
    let fixture = with(auth()).await;
    let ticket = ticket(&fixture.client("ana"), "laptop").await;
    let query = [("ticket", &*ticket), ("deviceId", "laptop"), ("channels", "timer:ana")];
    let mut stream = fixture.stream("", &query).await;
    assert_eq!(stream.connected.data["userId"], "ana");
    fixture.publish("timer:ana", "hers").await;
    stream.hears("hers").await;
    fixture.client("").get("", &query).await.is_problem(401, "credentialsInvalid");
    let node = stream.connection_id().split('.').next().unwrap();
    assert!(ticket.starts_with(&format!("{node}.")), "the ticket begins with the node that minted it");
}

#[tokio::test]
async fn another_device_is_refused() {
    let fixture = with(auth()).await;
    for query in [vec![], vec![("deviceId", "phone")]] {
        let ticket = ticket(&fixture.client("ana"), "laptop").await;
        let query = [&[("ticket", &*ticket)], &query[..]].concat();
        fixture.client("").get("", &query).await.is_problem(401, "credentialsInvalid");
    }
}

#[tokio::test]
async fn a_malformed_ticket_is_refused_even_beside_good_credentials() {
    let fixture = with(auth()).await;
    for token in ["", "ana"] {
        fixture.client(token).get("", &[("ticket", "x")]).await.is_problem(401, "credentialsMalformed");
    }
}

#[tokio::test]
async fn a_ticket_is_good_for_no_other_call() {
    let fixture = with(auth()).await;
    let ticket = ticket(&fixture.client("ana"), "laptop").await;
    let query = [("ticket", &*ticket), ("deviceId", "laptop")];
    fixture.client("").get("/check", &query).await.is_problem(401, "credentialsMissing");
    let more = format!("/ticket?ticket={ticket}");
    fixture.client("").post(&more, json!({})).await.is_problem(401, "credentialsMissing");
    assert_eq!(
        fixture.stream("", &query).await.connected.data["userId"],
        "ana",
        "the refused use did not spend the ticket"
    );
}

#[tokio::test]
async fn too_many_unused_ones_are_refused_for_a_while() {
    let fixture = with(auth()).await;
    for _ in 0..32 {
        ticket(&fixture.client("ana"), "laptop").await;
    }
    let answer = fixture.client("ana").post("/ticket", json!({})).await;
    answer.is_problem(429, "tooManyRequests");
    assert_eq!(answer.headers["retry-after"], "30");
}

#[tokio::test]
async fn they_are_there_only_where_mounted() {
    let fixture = Fixture::start().await;
    fixture.client("ana").post("/ticket", json!({})).await.is_problem(404, "notFound");
    fixture.client("").get("", &[("ticket", "x")]).await.is_problem(401, "credentialsMissing");
}
