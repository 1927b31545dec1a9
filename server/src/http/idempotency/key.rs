//! The header `Idempotency-Key`.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, request::Parts};
use tidings_protocol::{Key, problem::Code};

use crate::http::problem::Refusal;

/// The header `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header), which the browser client's offline
/// queue adds to each attempt of one mutation. The extractor refuses a request whose key is missing or malformed (400
/// `malformed`); use `Option<IdempotencyKey>` in handlers that also accept requests without a key.
///
/// A mutation is carried out once, even if the server crashes, when its key is stored by user in the transaction of the
/// change:
///
/// ```sql
/// INSERT INTO done (user, key, answer) VALUES (?, ?, ?)  -- primary key (user, key): a repetition fails here, and reads the answer
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Key);

/// The key in these headers: a string of RFC 8941, as the draft defines it, or an unquoted text.
pub(super) fn of(headers: &HeaderMap) -> Result<Option<Key>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let malformed = |reason: &str| Refusal::new(Code::Malformed, format!("Idempotency-Key: {reason}"));
    let text = value.to_str().map_err(|_| malformed("not ASCII"))?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    Key::new(text).map(Some).map_err(|error| malformed(&error.to_string()))
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = axum::response::Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let key = <Self as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await?;
        key.ok_or_else(|| {
            axum::response::IntoResponse::into_response(Refusal::new(Code::Malformed, "Idempotency-Key: none"))
        })
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for IdempotencyKey {
    type Rejection = axum::response::Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        of(&parts.headers).map(|key| key.map(Self)).map_err(axum::response::IntoResponse::into_response)
    }
}
