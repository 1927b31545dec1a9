//! Every failure that a caller can see, as a problem document (RFC 9457) with a stable `code`.

use axum::{
    Json,
    extract::{FromRequest, rejection::JsonRejection},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use serde::Serialize;
use tidings::{EventError, PublishError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Log in first.")]
    NotLoggedIn,
    #[error("{0}")]
    Invalid(&'static str),
    #[error("The request must name its device in the header X-Device-Id.")]
    DeviceRequired,
    #[error("You have no such device.")]
    UnknownDevice,
    #[error("No timer is running.")]
    NoTimer,
    #[error("Only a Pomodoro has phases.")]
    NoPhases,
    #[error("The timer has changed meanwhile.")]
    Outdated,
    #[error("{0}")]
    Body(#[from] JsonRejection),
    #[error("There is nothing here.")]
    NotFound,
    #[error("It is saved, but your other devices could not be told. Try again.")]
    NotPublished(#[source] PublishError),
    #[error("Something went wrong on our side.")]
    Internal(#[source] anyhow::Error),
}

/// A JSON body whose refusal is a problem document too.
#[derive(FromRequest)]
#[from_request(via(Json), rejection(Error))]
pub(crate) struct Body<T>(pub(crate) T);

#[derive(Serialize)]
struct Problem {
    status: u16,
    code: &'static str,
    title: String,
}

impl Error {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NotLoggedIn => (StatusCode::UNAUTHORIZED, "notLoggedIn"),
            Self::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            Self::DeviceRequired => (StatusCode::BAD_REQUEST, "deviceRequired"),
            Self::UnknownDevice => (StatusCode::NOT_FOUND, "unknownDevice"),
            Self::NoTimer => (StatusCode::CONFLICT, "noTimer"),
            Self::NoPhases => (StatusCode::CONFLICT, "noPhases"),
            Self::Outdated => (StatusCode::CONFLICT, "outdated"),
            Self::Body(rejection) => (rejection.status(), "malformedBody"),
            Self::NotFound => (StatusCode::NOT_FOUND, "notFound"),
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
