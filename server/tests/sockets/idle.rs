//! Connections that wait for a request, and must not take all the room from new ones.

use std::{
    future::IntoFuture,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::fixture::{Client, Fixture};

/// A connection that was answered, and is kept open.
async fn kept(address: SocketAddr) -> std::io::Result<TcpStream> {
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(b"GET /api/events/check HTTP/1.1\r\nhost: a\r\n\r\n").await?;
    let mut some = [0; 12];
    socket.read_exact(&mut some).await?;
    assert_eq!(&some, b"HTTP/1.1 401");
    Ok(socket)
}

/// Whether the other end has closed it by now.
async fn is_closed(mut socket: TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(Duration::from_millis(1), socket.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn those_that_wait_for_longest_give_way_to_those_that_come_and_streams_do_not() {
    const MOST: usize = 20;
    let serve = |listener, app| tidings::serve(listener, app).idle_connections(MOST).into_future();
    let fixture = Fixture::serving(|hub| hub, serve).await;
    let mut canary = fixture.canary().await;
    let mut streams = Vec::new();
    for _ in 0..2 * MOST {
        streams.push(fixture.stream("ana", &[("channels", "news:1")]).await);
    }
    let mut by_http2 = fixture.client("ana").by_http2().stream(&[("channels", "news:1")]).await;
    let mut silent = Vec::new();
    for _ in 0..2 * MOST {
        silent.push(TcpStream::connect(fixture.address).await.unwrap());
    }
    for _ in 0..2 * MOST {
        // Each connection finds room, at the latest when the others have waited for a second.
        silent.push(kept(fixture.address).await.unwrap());
    }
    canary.lives().await;
    fixture.publish("news:1", "goes on").await;
    for stream in &mut streams {
        stream.hears("goes on").await;
    }
    by_http2.hears("goes on").await;
    let mut open = 0;
    for socket in silent {
        open += usize::from(!is_closed(socket).await);
    }
    assert!(open <= MOST, "{open} of {} are open", 4 * MOST);
    assert!(open >= MOST / 2, "only as many as necessary are closed: {open} are open");
}

/// A server for the test below, until its standard input is closed.
#[tokio::test]
#[ignore = "the test below runs it, with few descriptors"]
async fn a_server_of_few_descriptors() {
    let fixture = Fixture::start().await;
    writeln!(std::io::stdout(), "address {}", fixture.address).unwrap();
    tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn they_do_not_take_all_descriptors() {
    const DESCRIPTORS: usize = 200;
    let mut server = Command::new("sh")
        .args(["-c", &format!("ulimit -n {DESCRIPTORS}; exec \"$@\""), "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "idle::a_server_of_few_descriptors", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let address = lines.find_map(|line| Some(line.unwrap().split_once("address ")?.1.parse().unwrap())).unwrap();
    let backend = Client::new(address, "backend");
    let mut canary = Client::new(address, "bob").stream(&[("channels", "news:1")]).await;
    let mut idle = Vec::new();
    for _ in 0..2 * DESCRIPTORS {
        idle.push(timeout(Duration::from_secs(20), kept(address)).await.expect("an answer").unwrap());
    }
    let mut newcomer = Client::new(address, "ana").stream(&[("channels", "news:1")]).await;
    backend.post("/publish", json!({"channel": "news:1", "type": "t", "payload": "goes on"})).await.good();
    canary.hears("goes on").await;
    newcomer.hears("goes on").await;
    drop(server.stdin.take());
    assert!(server.wait().unwrap().success());
}
