//! A server in a storm.

use std::{
    io::Write,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::routing::get;
use tokio::task::yield_now;

use super::*;

#[tokio::test]
async fn first_requests_do_not_keep_other_tasks_waiting() {
    const CLIENTS: usize = 500;
    let answered = Arc::new(AtomicUsize::new(0));
    let count = answered.clone();
    let handler = move || {
        count.fetch_add(1, Ordering::Relaxed);
        async {}
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = JoinSet::new();
    server.spawn(serve(listener, Router::new().route("/", get(handler))).into_future());
    // The server listens with its deep backlog.
    yield_now().await;
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            client
        })
        .collect();
    let (mut before, mut most) = (0, 0);
    while before < CLIENTS {
        yield_now().await;
        let now = answered.load(Ordering::Relaxed);
        (before, most) = (now, most.max(now - before));
    }
    assert!(most <= ARRIVALS, "a task had to wait for {most} requests");
    drop(clients);
}
