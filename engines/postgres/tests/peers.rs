//! Handles of one log reach each other through the server, and what they say rests nowhere: `tests/tests/hubs.rs` looks for it.

use tidings::{
    engine::Engine,
    peers::{CallError, NodeId, conformance},
};
use tidings_postgres::Postgres;
use tidings_servers::Postgres as Server;

#[tokio::test]
async fn every_promise_is_kept() {
    let server = Server::start().unwrap();
    let open = async || Postgres::open(server.url()).await.unwrap();
    let (one, two, three) = (open().await, open().await, open().await);
    let peers = |engine: &Postgres| engine.peers().unwrap();
    conformance::check(peers(&one), peers(&two), peers(&three)).await;
}

#[tokio::test]
async fn a_handle_that_was_closed_is_gone_at_once() {
    let server = Server::start().unwrap();
    let (one, two) = (Postgres::open(server.url()).await.unwrap(), Postgres::open(server.url()).await.unwrap());
    let peers = one.peers().unwrap();
    let _echo = conformance::Echo::join(&*two.peers().unwrap(), 2, "two").await;
    assert_eq!(conformance::call(&*peers, 2, "hi").await.unwrap(), "two heard hi");
    two.close().await;
    // The server ends its connections a moment later.
    let deadline = std::time::Duration::from_millis(200);
    let gone = async { while !matches!(peers.call(NodeId(2), "x".into(), deadline).await, Err(CallError::Gone)) {} };
    tokio::time::timeout(std::time::Duration::from_secs(5), gone).await.expect("it is gone");
}

#[tokio::test]
async fn calls_go_on_after_the_server_was_killed() {
    let server = Server::start().unwrap();
    let (one, two) = (Postgres::open(server.url()).await.unwrap(), Postgres::open(server.url()).await.unwrap());
    let peers = one.peers().unwrap();
    let _echo = conformance::Echo::join(&*two.peers().unwrap(), 2, "two").await;
    assert_eq!(conformance::call(&*peers, 2, "hi").await.unwrap(), "two heard hi");
    server.kill().unwrap();
    let down = peers.call(NodeId(2), "x".into(), std::time::Duration::from_secs(2)).await;
    assert!(matches!(down, Err(CallError::Down(_) | CallError::Unanswered)), "{down:?}");
    server.restart().unwrap();
    let again = async {
        loop {
            match peers.call(NodeId(2), "again".into(), std::time::Duration::from_secs(2)).await {
                Ok(answer) => return answer,
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    };
    let again = tokio::time::timeout(std::time::Duration::from_secs(20), again).await.expect("in time");
    assert_eq!(again, "two heard again");
}
