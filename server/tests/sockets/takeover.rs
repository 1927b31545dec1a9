//! `tidings::serve` gives each stream of HTTP/1.1 its socket for itself; these tests check what the client reads there,
//! to the byte.
//!
//! The unit tests beside the code check which responses are taken over, and how they are cut by the smallest windows.

use std::{
    future::IntoFuture,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tidings::{
    Limits, Routes,
    auth::{Auth, AuthRequest, Identity},
};
use tidings_protocol::sse::Decoder;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use crate::fixture::{Fixture, eventually};

const PATIENCE: Duration = Duration::from_secs(20);

/// A strict HTTP/1.1 client.
struct Raw {
    socket: BufReader<TcpStream>,
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        Self { socket: BufReader::new(TcpStream::connect(address).await.unwrap()) }
    }

    /// A client whose kernel buffers as little as possible.
    async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(1).unwrap();
        Self { socket: BufReader::with_capacity(1, socket.connect(address).await.unwrap()) }
    }

    async fn get(&mut self, path: &str) {
        let request = format!("GET /api/events{path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ana\r\n\r\n");
        self.socket.write_all(request.as_bytes()).await.unwrap();
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        timeout(PATIENCE, self.socket.read_until(b'\n', &mut line)).await.expect("a line in time").unwrap();
        let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no line: {}", line.escape_ascii()));
        String::from_utf8(line.to_vec()).unwrap()
    }

    /// The status line, and the headers in lower case.
    async fn head(&mut self) -> (String, Vec<String>) {
        let (status, mut headers) = (self.line().await, Vec::new());
        loop {
            match self.line().await {
                empty if empty.is_empty() => return (status, headers),
                header => headers.push(header.to_ascii_lowercase()),
            }
        }
    }

    /// The data of the next chunk; empty for the last one.
    async fn chunk(&mut self) -> Vec<u8> {
        let size = self.line().await;
        let mut data = vec![0; usize::from_str_radix(&size, 16).unwrap_or_else(|_| panic!("no size: {size:?}"))];
        timeout(PATIENCE, self.socket.read_exact(&mut data)).await.expect("a chunk in time").unwrap();
        assert_eq!(self.line().await, "", "what ends a chunk");
        data
    }

    /// Opens a stream and reads its head.
    async fn stream(&mut self, path: &str) {
        self.get(path).await;
        let (status, headers) = self.head().await;
        assert_eq!(status, "HTTP/1.1 200 OK");
        assert!(headers.contains(&"transfer-encoding: chunked".into()), "{headers:?}");
        assert!(!headers.iter().any(|header| header.starts_with("connection:")), "{headers:?}");
    }
}

/// Authentication whose credentials expire after a moment, which ends all streams.
fn short_lived() -> impl Auth {
    let auth = |_: AuthRequest| async {
        Ok(Identity::user("ana")?.expires_at(SystemTime::now() + Duration::from_millis(500)))
    };
    auth.allow("news:*").unwrap()
}

#[tokio::test]
async fn a_stream_is_chunks_and_then_its_connection_serves_the_next_request() {
    let fixture = Fixture::start().await;
    let mut client = Raw::connect(fixture.address).await;
    client.stream("?channels=news:1").await;
    let greeting = String::from_utf8(client.chunk().await).unwrap();
    assert!(greeting.starts_with("retry: 1000\nid: ") && greeting.ends_with("}\n\n"), "{greeting}");
    fixture.publish("news:1", "tea").await;
    let event = String::from_utf8(client.chunk().await).unwrap();
    assert!(event.starts_with("id: ") && event.ends_with("\"payload\":\"tea\"}\n\n"), "{event}");
    fixture.hub.drain(Duration::ZERO).await;
    assert!(client.chunk().await.starts_with(b"event: closing\n"));
    assert_eq!(client.chunk().await, b"");
    client.get("/check").await;
    assert_eq!(client.head().await.0, "HTTP/1.1 503 Service Unavailable");
}

/// A proxy that keeps connections sends other users' requests after a stream that has ended.
#[tokio::test]
async fn the_next_stream_of_a_connection_finds_the_place_of_the_one_before_free() {
    let routes = |hub| Routes::new(hub, short_lived()).limits(Limits::default().connections_per_user(1));
    let fixture = Fixture::mounting(|hub| hub.heartbeat(Duration::from_millis(100)), routes).await;
    let mut client = Raw::connect(fixture.address).await;
    for round in 0..3 {
        client.stream("?channels=news:1").await;
        fixture.publish("news:1", round).await;
        let mut heard = Vec::new();
        loop {
            let chunk = client.chunk().await;
            if chunk.is_empty() {
                break;
            }
            heard.extend_from_slice(&chunk);
        }
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.contains(&format!("\"payload\":{round}}}")), "{heard}");
        assert!(heard.contains(r#"data: {"reason":"expired","#), "{heard}");
    }
}

#[tokio::test]
async fn a_request_sent_behind_a_stream_is_answered_behind_it() {
    let fixture =
        Fixture::mounting(|hub| hub.heartbeat(Duration::from_millis(100)), |hub| Routes::new(hub, short_lived())).await;
    let mut client = Raw::connect(fixture.address).await;
    client.stream("").await;
    client.get("/check").await;
    while !client.chunk().await.is_empty() {}
    assert_eq!(client.head().await.0, "HTTP/1.1 200 OK");
    let mut body = [0; 16];
    client.socket.read_exact(&mut body).await.unwrap();
    assert_eq!(&body, br#"{"userId":"ana"}"#);
}

/// Both kernels buffer as little as possible, and the client reads byte by byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_the_smallest_buffers_everything_comes_in_order() {
    const EVENTS: usize = 500;
    let serve = |listener, app| tidings::serve(listener, app).send_buffer(1).into_future();
    let fixture = Fixture::serving(|hub| hub, serve).await;
    let mut client = Raw::narrow(fixture.address).await;
    client.stream("?channels=news:1").await;
    let filler = "x".repeat(500);
    for number in 0..EVENTS {
        fixture.publish("news:1", format!("{number} {filler}")).await;
    }
    let (mut decoder, mut heard) = (Decoder::new(), 0);
    while heard < EVENTS {
        let chunk = client.chunk().await;
        decoder
            .push(&chunk, |message| {
                if message.event == "message" {
                    assert!(message.data.contains(&format!("\"payload\":\"{heard} {filler}\"")), "{}", message.data);
                    heard += 1;
                }
            })
            .unwrap();
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_is_forgotten() {
    let fixture = Fixture::start().await;
    let mut client = Raw::connect(fixture.address).await;
    client.stream("").await;
    client.chunk().await;
    assert_eq!(fixture.hub.stats().connections, 1);
    drop(client);
    eventually(|| fixture.hub.stats().connections == 0).await;
}

/// How much of a stream the kernel buffers for a client that reads nothing; Linux reports it per socket.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_leaves_little_in_the_kernel() {
    let fixture = Fixture::start().await;
    let mut client = Raw::connect(fixture.address).await;
    client.stream("?channels=news:1").await;
    let port = client.socket.get_ref().local_addr().unwrap().port();
    let mut reading = fixture.stream("bob", &[("channels", "news:1")]).await;
    let filler = "x".repeat(60_000);
    // Many times what the client's own kernel buffers.
    for _ in 0..200 {
        fixture.publish("news:1", &*filler).await;
        reading.hears(&*filler).await;
    }
    let server = fixture.address.port();
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let (local, remote) = (format!(":{server:04X}"), format!(":{port:04X}"));
    let line = sockets
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|words| words[1].ends_with(&local) && words[2].ends_with(&remote))
        .expect("the server's side of the stream");
    let waiting = usize::from_str_radix(line[4].split(':').next().unwrap(), 16).unwrap();
    assert!(waiting > 0, "the stream was written as far as the socket takes it");
    assert!(waiting <= 64 << 10, "{waiting} bytes wait in the kernel");
}
