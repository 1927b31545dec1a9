//! The header `Idempotency-Key`.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::{HeaderMap, request::Parts};
use tidings_protocol::{Key, problem::Code};

use crate::http::problem::Refusal;

/// The header `Idempotency-Key` (IETF draft-ietf-httpapi-idempotency-key-header), which the browser client's offline queue adds to each
/// attempt of one mutation. As an extractor it refuses a request without it, or with one that cannot be read (400 `malformed`);
/// `Option<IdempotencyKey>` is for handlers that others call as well.
///
/// A mutation is done once, also over crashes, where its key is written in the transaction of the change, by user:
///
/// ```sql
/// INSERT INTO done (user, key, answer) VALUES (?, ?, ?)  -- primary key (user, key): a repetition fails here, and reads the answer
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub Key);

/// The key in these headers: a string of RFC 8941, as the draft has it, or bare.
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
