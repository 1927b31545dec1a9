//! Where a request came from: the tab and the device, by headers that the client adds.

use axum::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, request::Parts};
use tidings_protocol::{
    DeviceId, Except, IdError, SessionId, Source, UserId,
    problem::{Code, Problem},
};

/// The header that names the device.
pub const DEVICE_HEADER: &str = "x-device-id";
/// The header that names the tab.
pub const SESSION_HEADER: &str = "x-session-id";

/// The tab and device that a request came from, by its `X-Device-Id` and `X-Session-Id` headers, which the client's
/// `tidings.fetch` and `tidings.headers()` add. Absent headers make an empty origin.
///
/// As an extractor it refuses a malformed header with a 400 problem. It proves nothing: what it names is only ever used
/// together with a user whom the backend authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The browser profile.
    pub device_id: Option<DeviceId>,
    /// The tab.
    pub session_id: Option<SessionId>,
}

impl Origin {
    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// [`IdError`] when a header is there but no id: empty, over 128 bytes, or not visible ASCII.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, IdError> {
        let text = |name| headers.get(name).map(|value| value.to_str().map_err(|_| IdError::Character)).transpose();
        Ok(Self {
            device_id: text(DEVICE_HEADER)?.map(DeviceId::new).transpose()?,
            session_id: text(SESSION_HEADER)?.map(SessionId::new).transpose()?,
        })
    }

    /// This origin as one of an authenticated user: what an exclusion needs.
    #[must_use]
    pub fn of(&self, user: &UserId) -> UserOrigin {
        UserOrigin { user: user.clone(), origin: self.clone() }
    }
}

/// An [`Origin`] together with the user whom the backend authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserOrigin {
    user: UserId,
    origin: Origin,
}

impl UserOrigin {
    /// What hides an event from the tab; `None` where the origin names none. [`Event::except`](crate::Event::except) takes the
    /// origin itself for it.
    #[must_use]
    pub fn tab(&self) -> Option<Except> {
        Some(Except::tab(&self.user, self.origin.session_id.as_ref()?))
    }

    /// What hides an event from every tab of the device; `None` where the origin names none.
    #[must_use]
    pub fn device(&self) -> Option<Except> {
        Some(Except::device(&self.user, self.origin.device_id.as_ref()?))
    }
}

impl From<&UserOrigin> for Option<Except> {
    fn from(origin: &UserOrigin) -> Self {
        origin.tab()
    }
}

impl From<&Origin> for Source {
    fn from(origin: &Origin) -> Self {
        Self { user_id: None, device_id: origin.device_id.clone(), session_id: origin.session_id.clone() }
    }
}

impl From<&UserOrigin> for Source {
    fn from(UserOrigin { user, origin }: &UserOrigin) -> Self {
        Self { user_id: Some(user.clone()), ..origin.into() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        Self::from_headers(&parts.headers).map_err(|error| {
            let detail = format!("X-Device-Id or X-Session-Id: {error}");
            crate::http::problem::answer(&Problem::new(Code::Malformed).detail(detail)).into_response()
        })
    }
}
