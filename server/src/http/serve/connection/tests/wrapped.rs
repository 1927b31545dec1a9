//! A layer's body around a stream's body takes part in what is written.

use super::*;

/// Doubles every frame, and records its end.
struct Doubling {
    inner: Body,
    ended: Arc<Mutex<Vec<&'static str>>>,
}

impl http_body::Body for Doubling {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) {
            self.ended.lock().push("end");
        }
        frame.map_ok(|frame| frame.map_data(|data| [&*data, &*data].concat().into()))
    }
}

impl Drop for Doubling {
    fn drop(&mut self) {
        self.ended.lock().push("dropped");
    }
}

#[tokio::test]
async fn its_frames_and_its_end_pass_the_layer() {
    let ended = Arc::new(Mutex::new(Vec::new()));
    let seen = ended.clone();
    let layer = tower::util::MapResponseLayer::new(move |response: Response| {
        let ended = ended.clone();
        response.map(|inner| Body::new(Doubling { inner, ended }))
    });
    let mut fixture = Fixture::layered(1, |router| router.layer(layer));
    fixture.send(&format!("GET /stream/1 HTTP/1.1\r\n{HEAD}")).await;
    fixture.head().await;
    let stream = fixture.stream().await;
    stream.send(Ok("one")).unwrap();
    fixture.reads("6\r\noneone\r\n").await;
    assert_eq!(*seen.lock(), [""; 0]);
    drop(stream);
    fixture.reads("0\r\n\r\n").await;
    assert_eq!(*seen.lock(), ["end", "dropped"]);
}
