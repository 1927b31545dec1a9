//! Reading a JSON body.

use axum::extract::{FromRequest, Request, rejection::BytesRejection};
use bytes::Bytes;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use tidings_protocol::problem::Code;
use tokio::time::timeout;

use super::{problem::Refusal, routes::Gate};

/// The body as `T`. Only `application/json` is taken: a form posted from another site cannot have that type without the
/// browser asking first, so cookies alone command nothing.
pub(super) async fn json<T: DeserializeOwned>(gate: &Gate, request: Request) -> Result<T, Refusal> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Code::UnsupportedMediaType.into());
    }
    let read = timeout(gate.limiter.limits().body_timeout, Bytes::from_request(request, &()));
    let bytes = read.await.map_err(|_| Refusal::from(Code::RequestTimeout))?.map_err(|rejection| unread(&rejection))?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::new(Code::Malformed, error.to_string()))
}

fn unread(rejection: &BytesRejection) -> Refusal {
    let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Code::TooLarge } else { Code::Malformed };
    Refusal::new(code, rejection.body_text())
}
