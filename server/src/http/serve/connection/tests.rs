//! Connections over pipes with windows as small as one byte, so that every write is cut at every position.

use std::{
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use axum::{
    Router,
    body::Body,
    extract::Path,
    http::{HeaderMap, header},
    response::Response,
    routing::get,
};
use http::Request;
use http_body::Frame;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, ReadHalf, WriteHalf, split},
    sync::{Semaphore, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::http::serve::{TakeOver, exchanges::Idle};

mod falls_back;
mod http2_peers;
mod wrapped;

const WINDOWS: [usize; 5] = [1, 2, 7, 64, 64 << 10];
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD: &str = "host: a\r\n\r\n";

/// The server's end of a pipe, which counts calls.
struct Pipe {
    stream: DuplexStream,
    count: Arc<Count>,
}

#[derive(Default)]
struct Count {
    /// How often it was taken over.
    taken: AtomicUsize,
    writes: AtomicUsize,
}

impl Transport for Pipe {
    const RESTS: bool = false;

    fn begin_stream(&self, _: usize, _: Duration) {
        self.count.taken.fetch_add(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.count.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A step of a stream's body: data, or an error.
type Word = Result<&'static str, &'static str>;

/// The body of a stream, fed by the test.
struct Spoken(mpsc::UnboundedReceiver<Word>);

impl http_body::Body for Spoken {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        self.0.poll_recv(cx).map(|word| word.map(|word| word.map(|data| Frame::data(data.into()))))
    }
}

/// A server of one connection. `/stream/{anything}` are streams, in the order of their requests.
struct Fixture {
    reader: ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
    shared: Arc<Shared>,
    serving: JoinHandle<Ended<Pipe>>,
    count: Arc<Count>,
    streams: mpsc::UnboundedReceiver<mpsc::UnboundedSender<Word>>,
}

impl Fixture {
    fn new(window: usize) -> Self {
        Self::layered(window, |router| router)
    }

    /// A fixture after the head of a stream's answer was read, and the stream, which has sent nothing yet.
    async fn streaming(window: usize) -> (Self, mpsc::UnboundedSender<Result<&'static str, &'static str>>) {
        let mut fixture = Self::new(window);
        fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
        fixture.head().await;
        let stream = fixture.stream().await;
        (fixture, stream)
    }

    fn layered(window: usize, layer: impl FnOnce(Router) -> Router) -> Self {
        let (opened, streams) = mpsc::unbounded_channel();
        let stream = move |headers: HeaderMap| async move {
            let (speaker, words) = mpsc::unbounded_channel();
            if let Some(greeting) = headers.get("x-greeting") {
                let greetings = ["hello", "h", "", "line\r\n"];
                speaker.send(Ok(greetings[greeting.to_str().unwrap().parse::<usize>().unwrap()])).unwrap();
            }
            opened.send(speaker).unwrap();
            let mut response = Response::new(Body::new(Spoken(words)));
            response.extensions_mut().insert(TakeOver::default());
            if let Some(length) = headers.get("x-length") {
                response.headers_mut().insert(header::CONTENT_LENGTH, length.clone());
            }
            response
        };
        let router = Router::new()
            .route("/stream/{name}", get(stream.clone()).post(stream))
            .route("/hello/{name}", get(|Path(name): Path<String>| async move { format!("hello {name}") }));
        let shared = Arc::new(Shared {
            router: layer(router),
            http1: http1::builder(HEAD_TIMEOUT, 64 << 10),
            http2: http2::builder(64 << 10),
            head_timeout: HEAD_TIMEOUT,
            idle_timeout: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            send_buffer: 0,
            stopping: watch::Sender::new(false),
            arrivals: Semaphore::new(1),
        });
        let (client, stream) = tokio::io::duplex(window);
        let count = Arc::new(Count::default());
        let pipe = Pipe { stream, count: count.clone() };
        let peer = Peer::new(Some(([127, 0, 0, 1], 1).into()), None);
        let serving = serve(shared.clone(), pipe, peer, Exchanges::new(Arc::new(Idle::default())));
        // The future is part of the task of every stream, so its large parts must be boxed across an await.
        assert!(size_of_val(&serving) <= 128, "{}", size_of_val(&serving));
        let serving = tokio::spawn(serving);
        let (reader, writer) = split(client);
        Self { reader, writer, shared, serving, count, streams }
    }

    async fn send(&mut self, bytes: &str) {
        self.writer.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The head of the next response, in lower case.
    async fn head(&mut self) -> String {
        self.head_while_sending("").await
    }

    /// The same, read while more is sent, because hyper reads nothing while it writes.
    async fn head_while_sending(&mut self, bytes: &str) -> String {
        let (sent, head) = tokio::join!(self.writer.write_all(bytes.as_bytes()), async {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(self.reader.read_u8().await.expect("a head"));
            }
            String::from_utf8(head).unwrap().to_ascii_lowercase()
        });
        sent.unwrap();
        head
    }

    /// Asserts that these are the next bytes.
    #[track_caller]
    fn reads(&mut self, expected: &str) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let mut bytes = vec![0; expected.len()];
            self.reader.read_exact(&mut bytes).await.expect("more bytes");
            assert_eq!(String::from_utf8_lossy(&bytes), expected, "{caller}");
        }
    }

    /// All bytes until the server closes.
    async fn rest(&mut self) -> String {
        let mut rest = String::new();
        timeout(Duration::from_secs(3_600), self.reader.read_to_string(&mut rest)).await.expect("an end").unwrap();
        rest
    }

    async fn stream(&mut self) -> mpsc::UnboundedSender<Word> {
        self.streams.recv().await.expect("a stream was opened")
    }

    fn takeovers(&self) -> usize {
        self.count.taken.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_stream_is_taken_over_and_right_to_the_byte() {
    for window in WINDOWS {
        let mut fixture = Fixture::new(window);
        fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
        let head = fixture.head().await;
        assert!(
            head.starts_with("http/1.1 200 ok\r\n") && head.contains("\r\ntransfer-encoding: chunked\r\n"),
            "{head}"
        );
        let stream = fixture.stream().await;
        stream.send(Ok("hello")).unwrap();
        stream.send(Ok("")).unwrap();
        stream.send(Ok("a longer text\n\n")).unwrap();
        fixture.reads("5\r\nhello\r\nf\r\na longer text\n\n\r\n").await;
        assert_eq!(fixture.takeovers(), 1, "window {window}");
        drop(stream);
        fixture.reads("0\r\n\r\n").await;
    }
}

/// The first bytes of the body exist before the head has left.
#[tokio::test]
async fn the_head_comes_first_however_slowly_it_leaves() {
    for window in WINDOWS {
        let mut fixture = Fixture::new(window);
        fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
        let stream = fixture.stream().await;
        stream.send(Ok("early")).unwrap();
        drop(stream);
        fixture.head().await;
        fixture.reads("5\r\nearly\r\n0\r\n\r\n").await;
        assert_eq!(fixture.takeovers(), 1, "window {window}");
    }
}

/// Whatever the bytes are, and however the stream ends.
#[tokio::test]
async fn the_first_frames_leave_with_the_head() {
    for (greeting, chunk) in ["5\r\nhello\r\n", "1\r\nh\r\n", "", "6\r\nline\r\n\r\n"].into_iter().enumerate() {
        for window in WINDOWS {
            let mut fixture = Fixture::new(window);
            fixture.send(&format!("GET /stream/1 HTTP/1.1\r\nx-greeting: {greeting}\r\n{HEAD}")).await;
            let stream = fixture.stream().await;
            fixture.head().await;
            fixture.reads(chunk).await;
            if window > 1_000 {
                assert_eq!(fixture.count.writes.load(Ordering::Relaxed), 1);
            }
            stream.send(Ok("next")).unwrap();
            fixture.reads("4\r\nnext\r\n").await;
            assert_eq!(fixture.takeovers(), 1, "window {window}");
            drop(stream);
            fixture.reads("0\r\n\r\n").await;
        }
    }
}

#[tokio::test]
async fn the_connection_goes_on_after_a_stream() {
    for window in WINDOWS {
        let mut fixture = Fixture::new(window);
        for round in 1..=3 {
            fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
            fixture.head().await;
            drop(fixture.stream().await);
            fixture.reads("0\r\n\r\n").await;
            assert_eq!(fixture.takeovers(), round);
            fixture.send(&format!("GET /hello/ana HTTP/1.1\r\n{HEAD}")).await;
            fixture.head().await;
            fixture.reads("hello ana").await;
        }
    }
}

#[tokio::test]
async fn requests_sent_behind_a_stream_are_answered_when_it_has_ended() {
    for window in WINDOWS {
        let mut fixture = Fixture::new(window);
        // hyper has read some of the requests with the first one; others come later.
        let requests = format!("GET /stream/1 HTTP/1.1\r\n{HEAD}GET /hello/ana HTTP/1.1\r\n{HEAD}GET /he");
        fixture.head_while_sending(&requests).await;
        let stream = fixture.stream().await;
        stream.send(Ok("one")).unwrap();
        fixture.reads("3\r\none\r\n").await;
        fixture.send(&format!("llo/bob HTTP/1.1\r\n{HEAD}GET /stream/2 HTTP/1.1\r\n{HEAD}")).await;
        stream.send(Ok("two")).unwrap();
        fixture.reads("3\r\ntwo\r\n").await;
        drop(stream);
        fixture.reads("0\r\n\r\n").await;
        for expected in ["hello ana", "hello bob"] {
            fixture.head().await;
            fixture.reads(expected).await;
        }
        fixture.head().await;
        fixture.stream().await.send(Ok("three")).unwrap();
        fixture.reads("5\r\nthree\r\n0\r\n\r\n").await;
        assert_eq!(fixture.takeovers(), 2, "window {window}");
    }
}

#[tokio::test]
async fn a_client_that_sends_more_than_a_head_behind_its_stream_is_cut() {
    let mut fixture = Fixture::new(64 << 10);
    fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
    fixture.head().await;
    let stream = fixture.stream().await;
    stream.send(Ok("one")).unwrap();
    fixture.reads("3\r\none\r\n").await;
    fixture.send(&"x".repeat(9 << 10)).await;
    assert_eq!(fixture.rest().await, "", "no last chunk");
    assert!(stream.is_closed());
}

#[tokio::test]
async fn a_connection_that_is_to_close_closes_behind_the_last_chunk() {
    for close in ["connection: close\r\n", "connection: keep-alive, Close\r\n"] {
        let mut fixture = Fixture::new(7);
        fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{close}{HEAD}")).await;
        assert!(fixture.head().await.contains("\r\nconnection: close\r\n"));
        fixture.stream().await.send(Ok("bye")).unwrap();
        assert_eq!(fixture.rest().await, "3\r\nbye\r\n0\r\n\r\n");
        assert_eq!(fixture.takeovers(), 1);
    }
}

#[tokio::test]
async fn a_server_that_stops_ends_a_stream_by_its_last_chunk_and_closes() {
    let (mut fixture, stream) = Fixture::streaming(7).await;
    fixture.shared.stopping.send_replace(true);
    stream.send(Ok("closing")).unwrap();
    drop(stream);
    assert_eq!(fixture.rest().await, "7\r\nclosing\r\n0\r\n\r\n");
    fixture.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_stops_closes_what_has_not_begun_or_is_idle() {
    let mut silent = Fixture::new(64);
    silent.shared.stopping.send_replace(true);
    assert_eq!(silent.rest().await, "");
    let mut idle = Fixture::new(64);
    idle.send(&format!("GET /hello/ana HTTP/1.1\r\n{HEAD}")).await;
    idle.head().await;
    idle.reads("hello ana").await;
    idle.shared.stopping.send_replace(true);
    assert_eq!(idle.rest().await, "");
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_stream() {
    let (mut fixture, stream) = Fixture::streaming(64).await;
    stream.send(Ok("one")).unwrap();
    fixture.reads("3\r\none\r\n").await;
    drop((fixture.reader, fixture.writer));
    stream.closed().await;
    assert!(fixture.serving.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_given_up() {
    let (mut fixture, stream) = Fixture::streaming(64).await;
    stream.send(Ok("one")).unwrap();
    fixture.reads("3\r\none\r\n").await;
    let began = tokio::time::Instant::now();
    // An idle stream may be idle for ever.
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(!stream.is_closed());
    stream.send(Ok("more than the window holds, of which the client takes nothing, not one byte")).unwrap();
    stream.closed().await;
    assert_eq!(began.elapsed(), Duration::from_secs(3_600 + 60));
}

#[tokio::test]
async fn a_stream_that_breaks_off_has_no_last_chunk() {
    let (mut fixture, stream) = Fixture::streaming(64).await;
    stream.send(Ok("one")).unwrap();
    stream.send(Err("the engine is gone")).unwrap();
    assert_eq!(fixture.rest().await, "3\r\none\r\n");
}
