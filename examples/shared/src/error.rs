//! Every failure that a caller can see, as a problem document (RFC 9457) with a stable `code`.

use axum::{
    Json,
    extract::{FromRequest, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::Serialize;
use tidings::{EventError, PublishError};

/// A failure that a caller can see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no session.
    #[error("Log in first.")]
    NotLoggedIn,
    /// A page of another origin sent a change.
    #[error("A page of another origin is not allowed to do this.")]
    OtherOrigin,
    /// Nothing exists at this path.
    #[error("There is nothing here.")]
    NotFound,
    /// A refusal of an app, with a code of its own; see [`Error::refused`].
    #[error("{title}")]
    Refused {
        /// The HTTP status.
        status: StatusCode,
        /// The code, for programs.
        code: &'static str,
        /// The summary, for people.
        title: &'static str,
    },
    /// The body is not the required JSON.
    #[error("{0}")]
    Body(#[from] JsonRejection),
    /// The change is saved, but publishing its event failed.
    #[error("It is saved, but the other browsers could not be notified. Try again.")]
    NotPublished(#[source] PublishError),
    /// An error that the caller cannot influence.
    #[error("Something went wrong on our side.")]
    Internal(#[source] anyhow::Error),
}

/// A JSON body. A malformed one is refused with a problem document too.
#[derive(Debug, FromRequest)]
#[from_request(via(Json), rejection(Error))]
pub struct Body<T>(pub T);

#[derive(Serialize)]
struct Problem {
    status: u16,
    code: &'static str,
    title: String,
}

impl Error {
    /// A refusal with a code of the app's own.
    pub fn refused(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self::Refused { status, code, title }
    }

    /// 422 `invalid`, with a title that states the requirement.
    pub fn invalid(title: &'static str) -> Self {
        Self::refused(StatusCode::UNPROCESSABLE_ENTITY, "invalid", title)
    }

    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotLoggedIn => (StatusCode::UNAUTHORIZED, "notLoggedIn"),
            Self::OtherOrigin => (StatusCode::FORBIDDEN, "originNotAllowed"),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound"),
            Self::Refused { status, code, .. } => (*status, code),
            Self::Body(rejection) => (rejection.status(), "malformedBody"),
            Self::NotPublished(_) => (StatusCode::SERVICE_UNAVAILABLE, "notPublished"),
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        if status.is_server_error() {
            tracing::error!(error = ?self, "a request failed");
        }
        let problem = Problem { status: status.as_u16(), code, title: self.to_string() };
        (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(problem)).into_response()
    }
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::Internal(error.into())
    }
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        Self::NotPublished(error)
    }
}

impl From<EventError> for Error {
    fn from(error: EventError) -> Self {
        Self::Internal(error.into())
    }
}
