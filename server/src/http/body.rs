//! Reading a request body into one buffer.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt;

/// Why a body was not read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The body has more bytes than allowed.
    TooLarge,
    /// The body broke off.
    Broken(axum::Error),
}

/// Reads a body of at most `limit` bytes into one buffer. A list of the pieces, which collecting the body would make,
/// takes thirty times the bytes of a client that sends them one by one.
pub(super) async fn whole(mut body: Body, limit: usize) -> Result<Bytes, Unread> {
    let is_beyond = |bytes: u64| bytes > limit as u64;
    // `Content-Length` tells the size in advance, where it was sent.
    if is_beyond(body.size_hint().lower()) {
        return Err(Unread::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else { continue };
        if is_beyond((first.len() + rest.len() + data.len()) as u64) {
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && rest.is_empty() && body.is_end_stream() {
            // Most bodies come in one piece and need no copy.
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

#[cfg(test)]
mod tests {
    use http_body_util::{Channel, Full};

    use super::*;

    #[tokio::test]
    async fn a_body_is_read_in_whatever_pieces_it_comes() {
        let (mut sender, body) = Channel::<Bytes>::new(8);
        let reading = tokio::spawn(whole(Body::new(body), 12));
        for piece in ["a body", "", " in ", "b"] {
            sender.send_data(piece.into()).await.unwrap();
        }
        drop(sender);
        assert_eq!(reading.await.unwrap().unwrap(), "a body in b");
        assert_eq!(whole(Body::new(Full::from("whole")), 5).await.unwrap(), "whole");
        assert_eq!(whole(Body::empty(), 0).await.unwrap(), "");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_not_read_to_its_end() {
        assert!(matches!(whole(Body::new(Full::from("whole")), 4).await, Err(Unread::TooLarge)));
        let (mut sender, body) = Channel::<Bytes>::new(8);
        let reading = tokio::spawn(whole(Body::new(body), 4));
        sender.send_data("who".into()).await.unwrap();
        sender.send_data("le".into()).await.unwrap();
        assert!(matches!(reading.await.unwrap(), Err(Unread::TooLarge)));
    }
}
