//! Errors as answers.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use tidings_protocol::problem::{CONTENT_TYPE, Code, Problem};

use crate::{
    auth::AuthError,
    engine::EngineError,
    publish::{Invalid, PublishError},
};

/// A problem on its way out as a response.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Problem);

/// The response for a problem (RFC 9457, section 3).
pub(crate) fn answer(problem: &Problem) -> Response {
    // Serialising a problem cannot fail: numbers and strings only.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match problem.code {
        // RFC 9110, section 15.5.2: a 401 names how to authenticate. Cookies have no scheme of their own.
        Code::CredentialsMissing | Code::CredentialsInvalid | Code::CredentialsExpired => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Code::Unavailable => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Problem::new(code).detail(detail))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::debug!(code = %self.0.code, detail = self.0.detail, "refused");
        answer(&self.0)
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        if let AuthError::Unavailable(source) = &error {
            tracing::error!(error = &**source as &dyn std::error::Error, "authentication is not available");
        }
        Self(error.problem())
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the engine could not be read");
        Self(Problem::new(Code::Unavailable))
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let code = match &error {
            PublishError::Invalid(Invalid::PayloadTooLarge { .. }) => Code::TooLarge,
            PublishError::Invalid(Invalid::AudienceTooLarge { .. } | Invalid::TooManyEvents { .. }) => Code::TooMany,
            PublishError::Invalid(Invalid::Id(_)) => Code::Malformed,
            PublishError::Refused(_) => Code::Unavailable,
            PublishError::Unknown(_) => Code::Unknown,
        };
        if !matches!(error, PublishError::Invalid(_)) {
            tracing::error!(error = &error as &dyn std::error::Error, "publish failed");
        }
        Self::new(code, error.to_string())
    }
}
