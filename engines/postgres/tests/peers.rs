//! Handles of one log reach each other through the server. `tests/src/chaos/hubs.rs` checks that their messages are not
//! kept anywhere.

use std::sync::Arc;

use tidings::{
    engine::Engine,
    peers::{Peers, conformance},
};
use tidings_postgres::Postgres;
use tidings_servers::Postgres as Server;

/// A handle of the server's log.
async fn open(server: &Server) -> (Postgres, Arc<dyn Peers>) {
    let engine = Postgres::open(server.url()).await.unwrap();
    let peers = engine.peers().unwrap();
    (engine, peers)
}

#[tokio::test]
async fn every_promise_is_kept() {
    let server = Server::start().unwrap();
    let ((_one, one), (_two, two), (_three, three)) = (open(&server).await, open(&server).await, open(&server).await);
    conformance::check(one, two, three).await;
}

#[tokio::test]
async fn a_handle_that_was_closed_is_gone_at_once() {
    let server = Server::start().unwrap();
    let ((_one, one), (engine, two)) = (open(&server).await, open(&server).await);
    conformance::check_closed(one, two, engine.close()).await;
}

#[tokio::test]
async fn calls_go_on_after_the_server_was_killed() {
    let server = Server::start().unwrap();
    let ((_one, one), (_two, two)) = (open(&server).await, open(&server).await);
    conformance::check_killed(one, two, || server.kill().unwrap(), || server.restart().unwrap()).await;
}
