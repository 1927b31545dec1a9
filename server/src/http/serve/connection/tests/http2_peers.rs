//! HTTP/2, where pings check whether the client is alive.

use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::*;

/// A request for a stream, encoded with the static table of RFC 7541 and two literals.
fn beginning() -> Vec<u8> {
    let literal = |name: u8, text: &str| [&[name, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let head = [&[0x82, 0x86][..], &literal(0x04, "/stream/1"), &literal(0x01, "a")].concat();
    let length = u8::try_from(head.len()).unwrap();
    [&PREFACE[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0], &[0, 0, length, 1, 5, 0, 0, 0, 1], &head].concat()
}

#[tokio::test(start_paused = true)]
async fn a_silent_http2_peer_is_gone_within_a_minute() {
    let mut fixture = Fixture::new(64 << 10);
    fixture.writer.write_all(&beginning()).await.unwrap();
    let stream = fixture.stream().await;
    let began = Instant::now();
    // It reads whatever is sent, like the kernel of a machine whose process hangs, or a proxy that has lost its client.
    let mut reader = fixture.reader;
    let reading = tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    let ended = timeout(Duration::from_secs(3_600), fixture.serving).await.expect("it is given up");
    assert!(ended.unwrap().is_err());
    assert!(began.elapsed() <= Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(stream.send(Ok("nobody reads this")).is_err());
    reading.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_http2_peer_that_answers_pings_stays() {
    let mut fixture = Fixture::new(64 << 10);
    let io = TokioIo::new(fixture.reader.unsplit(fixture.writer));
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    client.timer(TokioTimer::new());
    let (mut sender, connection) = client.handshake(io).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://a/stream/1").body(Empty::<Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let stream = fixture.streams.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    stream.send(Ok("still there")).unwrap();
    let frame = response.into_body().frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "still there");
    assert!(!fixture.serving.is_finished());
}
