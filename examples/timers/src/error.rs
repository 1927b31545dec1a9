//! The refusals of this app, beside those of all apps.

use http::StatusCode;
use shared::Error;

pub(crate) fn device_required() -> Error {
    let title = "The request must name its device in the header X-Device-Id.";
    Error::refused(StatusCode::BAD_REQUEST, "deviceRequired", title)
}

pub(crate) fn unknown_device() -> Error {
    Error::refused(StatusCode::NOT_FOUND, "unknownDevice", "You have no such device.")
}

pub(crate) fn no_timer() -> Error {
    Error::refused(StatusCode::CONFLICT, "noTimer", "No timer is running.")
}

pub(crate) fn no_phases() -> Error {
    Error::refused(StatusCode::CONFLICT, "noPhases", "Only a Pomodoro has phases.")
}

pub(crate) fn outdated() -> Error {
    Error::refused(StatusCode::CONFLICT, "outdated", "The timer has changed meanwhile.")
}
