//! Errors as answers.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use tidings_protocol::problem::{CONTENT_TYPE, Code, Problem};

use crate::{
    EventError,
    auth::AuthError,
    engine::EngineError,
    presence::PresenceError,
    publish::{Invalid, PublishError},
};

/// The code of a refusal, attached to a response for the metrics.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused(pub(crate) Code);

/// A refusal, to be sent as a problem document.
#[derive(Debug)]
pub(crate) struct Refusal {
    problem: Problem,
    retry_after: Option<Duration>,
}

/// The response for a problem (RFC 9457, section 3).
pub(crate) fn answer(problem: &Problem) -> Response {
    // Serializing a problem cannot fail: it holds numbers and strings only.
    let body = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.extensions_mut().insert(Refused(problem.code));
    let headers = response.headers_mut();
    match problem.status {
        // RFC 9110, section 15.5.2: a 401 names a way to authenticate. Cookies have no scheme of their own.
        401 => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The default, unless the refusal names a time of its own.
        429 | 503 => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    response
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { problem: Problem::new(code).detail(detail), retry_after: None }
    }

    /// Sets `Retry-After`, in whole seconds as the header demands, rounded up.
    pub(crate) fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        tracing::debug!(code = %self.problem.code, detail = self.problem.detail, "refused");
        let mut response = answer(&self.problem);
        if let Some(delay) = self.retry_after {
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { problem, retry_after: None }
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Problem::new(code).into()
    }
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        if let AuthError::Unavailable(source) = &error {
            tracing::error!(error = &**source as &dyn std::error::Error, "authentication is not available");
        }
        error.problem().into()
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the engine could not be read");
        Code::Unavailable.into()
    }
}

impl From<PublishError> for Refusal {
    fn from(error: PublishError) -> Self {
        let code = match &error {
            PublishError::Event(EventError::Channel(_)) => Code::MalformedChannel,
            PublishError::Event(EventError::Type(_) | EventError::Key(_)) => Code::Malformed,
            // A mistake of the program goes to its log and not to the caller.
            PublishError::Event(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a handler's event could not be made");
                return Code::ServerError.into();
            }
            PublishError::Invalid(Invalid::PayloadTooLarge { .. } | Invalid::EntryTooLarge { .. }) => Code::TooLarge,
            PublishError::Invalid(Invalid::AudienceTooLarge { .. } | Invalid::TooManyEvents { .. }) => Code::TooMany,
            PublishError::Invalid(Invalid::Id(_)) => Code::Malformed,
            PublishError::Invalid(Invalid::Channel(_)) => Code::MalformedChannel,
            PublishError::Invalid(Invalid::TooManyChannels { .. }) => Code::TooMany,
            PublishError::Refused(_) => Code::Unavailable,
            PublishError::Overloaded => Code::Overloaded,
            PublishError::Unknown(_) => Code::Unknown,
        };
        if matches!(error, PublishError::Refused(_) | PublishError::Unknown(_)) {
            tracing::error!(error = &error as &dyn std::error::Error, "publish failed");
        }
        Self::new(code, error.to_string())
    }
}

impl From<PresenceError> for Refusal {
    fn from(error: PresenceError) -> Self {
        match error {
            PresenceError::Channel(channel) => Self::new(Code::MalformedChannel, channel.to_string()),
            // A mistake of the program is logged, and not shown to the caller.
            PresenceError::Off => {
                tracing::error!(error = &error as &dyn std::error::Error, "nobody can be told who is online");
                Code::ServerError.into()
            }
        }
    }
}

/// Converts errors of this crate into answers, for an application's handlers: the same answers that the routes give.
macro_rules! answers {
    ($($error:ty),*) => {$(
        impl IntoResponse for $error {
            fn into_response(self) -> Response {
                Refusal::from(self).into_response()
            }
        }
    )*};
}

answers!(PublishError, AuthError, EngineError, PresenceError);

impl IntoResponse for EventError {
    fn into_response(self) -> Response {
        PublishError::from(self).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;

    #[test]
    fn an_error_of_a_handler_answers_by_what_went_wrong() {
        struct Unwritable;
        impl serde::Serialize for Unwritable {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("s3cret"))
            }
        }
        let event = |channel| Event::new(channel, "t", "").unwrap_err();
        let status = |error: PublishError| error.into_response().status().as_u16();
        assert_eq!(status(event("a::b").into()), 400);
        assert_eq!(event("a::b").into_response().status(), 400);
        assert_eq!(status(Event::new("a", "t", &Unwritable).unwrap_err().into()), 500);
        assert_eq!(status(Invalid::PayloadTooLarge { bytes: 2, limit: 1 }.into()), 413);
        assert_eq!(status(tidings_protocol::IdError::Empty.into()), 400);
        assert_eq!(status(PublishError::Refused("the disk is full".into())), 503);
        assert_eq!(status(PublishError::Overloaded), 503);
        assert_eq!(status(PublishError::Unknown("it broke off".into())), 504);
        assert_eq!(AuthError::Missing.into_response().status(), 401);
        assert_eq!(PresenceError::from("a::b".parse::<crate::Pattern>().unwrap_err()).into_response().status(), 400);
        assert_eq!(PresenceError::Off.into_response().status(), 500);
        assert_eq!(EngineError("the disk is gone".into()).into_response().status(), 503);
        let refusal = Refusal::from(PublishError::from(Event::new("a", "t", &Unwritable).unwrap_err()));
        assert_eq!(refusal.problem.detail, None, "callers do not see the program's mistakes");
    }

    #[test]
    fn every_temporary_refusal_says_when_to_come_back() {
        // The fixture is read while the test runs, because the test also compiles from the published crate, which lacks
        // the file.
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../protocol/fixtures/problems.json");
        let all: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(fixture).expect("a file of the repository")).unwrap();
        assert!(all.len() > 20);
        for code in all.iter().filter_map(|problem| Code::parse(problem["code"].as_str()?)) {
            let response = Refusal::from(code).into_response();
            let passes = matches!(response.status().as_u16(), 429 | 503);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), passes, "{code}");
        }
        let later = Refusal::from(Code::Full).retry_after(Duration::from_millis(9_001)).into_response();
        assert_eq!(later.headers()[header::RETRY_AFTER], "10");
    }
}
