//! Streams that hyper keeps, and writes as under any other server.

use tower_http::compression::{CompressionLayer, predicate::SizeAbove};

use super::*;

#[tokio::test]
async fn for_http_1_0() {
    let mut fixture = Fixture::new(7);
    fixture.send(&format!("GET /stream/1 HTTP/1.0\r\n{HEAD}")).await;
    assert!(!fixture.head().await.contains("transfer-encoding"));
    fixture.stream().await.send(Ok("bare")).unwrap();
    assert_eq!(fixture.rest().await, "bare");
    assert_eq!(fixture.takeovers(), 0);
}

#[tokio::test]
async fn for_head() {
    let mut fixture = Fixture::new(7);
    fixture.send(&format!("HEAD /stream/1 HTTP/1.1\r\n{HEAD}")).await;
    fixture.head().await;
    fixture.stream().await.closed().await;
    fixture.send(&format!("GET /hello/ana HTTP/1.1\r\n{HEAD}")).await;
    fixture.head().await;
    fixture.reads("hello ana").await;
    assert_eq!(fixture.takeovers(), 0);
}

#[tokio::test]
async fn for_a_request_with_a_body() {
    for method in ["GET", "POST"] {
        let mut fixture = Fixture::new(7);
        fixture.send(&format!("{method} /stream/1 HTTP/1.1\r\ncontent-length: 3\r\n{HEAD}x")).await;
        fixture.head().await;
        let stream = fixture.stream().await;
        stream.send(Ok("one")).unwrap();
        fixture.reads("3\r\none\r\n").await;
        assert_eq!(fixture.takeovers(), 0, "{method}");
    }
}

#[tokio::test]
async fn for_a_request_that_may_become_something_else() {
    let mut fixture = Fixture::new(7);
    fixture.send(&format!("GET /stream/1 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n{HEAD}")).await;
    fixture.head().await;
    fixture.stream().await.send(Ok("one")).unwrap();
    fixture.reads("3\r\none\r\n0\r\n\r\n").await;
    assert_eq!(fixture.takeovers(), 0);
}

#[tokio::test]
async fn for_a_response_of_a_known_length() {
    let mut fixture = Fixture::new(7);
    fixture.send(&format!("GET /stream/1 HTTP/1.1\r\nx-length: 5\r\n{HEAD}")).await;
    assert!(fixture.head().await.contains("\r\ncontent-length: 5\r\n"));
    fixture.stream().await.send(Ok("whole")).unwrap();
    fixture.reads("whole").await;
    assert_eq!(fixture.takeovers(), 0);
}

#[tokio::test]
async fn for_an_encoded_response() {
    let layer = CompressionLayer::new().compress_when(SizeAbove::new(0));
    let mut fixture = Fixture::layered(7, |router| router.layer(layer));
    fixture.send(&format!("GET /stream/1 HTTP/1.1\r\naccept-encoding: gzip\r\n{HEAD}")).await;
    assert!(fixture.head().await.contains("\r\ncontent-encoding: gzip\r\n"));
    fixture.stream().await.send(Ok("one")).unwrap();
    // The size of the first chunk, then the magic number of gzip.
    while fixture.reader.read_u8().await.unwrap() != b'\n' {}
    assert_eq!(fixture.reader.read_u16().await.unwrap(), 0x1f8b);
    assert_eq!(fixture.takeovers(), 0);
    // The same router, called by a client that does not accept gzip.
    let layer = CompressionLayer::new().compress_when(SizeAbove::new(0));
    let mut fixture = Fixture::layered(7, |router| router.layer(layer));
    fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
    fixture.head().await;
    fixture.stream().await.send(Ok("one")).unwrap();
    fixture.reads("3\r\none\r\n0\r\n\r\n").await;
    assert_eq!(fixture.takeovers(), 1);
}

#[tokio::test]
async fn for_http_2() {
    for window in [7, 64 << 10] {
        let Fixture { reader, writer, shared, serving, count, mut streams } = Fixture::new(window);
        let io = TokioIo::new(reader.unsplit(writer));
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = |path: &str| Request::get(format!("http://a{path}")).body(Empty::<Bytes>::new()).unwrap();
        let mut response = sender.send_request(request("/stream/1")).await.unwrap();
        let stream = streams.recv().await.unwrap();
        stream.send(Ok("one")).unwrap();
        assert_eq!(response.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        let hello = sender.send_request(request("/hello/ana")).await.unwrap();
        assert_eq!(hello.collect().await.unwrap().to_bytes(), "hello ana");
        shared.stopping.send_replace(true);
        stream.send(Ok("two")).unwrap();
        drop(stream);
        assert_eq!(response.collect().await.unwrap().to_bytes(), "two");
        // The side that closes last may find the pipe broken.
        let (_, _) = (serving.await.unwrap(), connection.await.unwrap());
        assert_eq!(count.taken.load(Ordering::Relaxed), 0, "window {window}");
    }
}
