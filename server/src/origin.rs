//! The origin of a request: the tab and the device, from headers that the client adds.

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

/// The tab and device that a request came from, read from its `X-Device-Id` and `X-Session-Id` headers. The browser
/// client's `tidings.fetch` and `tidings.headers()` add these headers. Without them the origin is empty.
///
/// As an extractor, `Origin` answers a malformed header with a 400 problem. The headers prove nothing: an origin is
/// only ever used together with the user whom the backend authenticated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// The browser profile.
    pub device_id: Option<DeviceId>,
    /// The tab.
    pub session_id: Option<SessionId>,
}

impl Origin {
    /// Where work came from that no request is at hand for any more, such as that of a queue of jobs.
    #[must_use]
    pub fn new(device_id: Option<DeviceId>, session_id: Option<SessionId>) -> Self {
        Self { device_id, session_id }
    }

    /// Reads the headers.
    ///
    /// # Errors
    ///
    /// [`IdError`] when a header is present but is not an id: it is empty, longer than 128 bytes, or not visible ASCII.
    pub fn from_headers(headers: &HeaderMap) -> Result<Self, IdError> {
        let text = |name| headers.get(name).map(|value| value.to_str().map_err(|_| IdError::Character)).transpose();
        Ok(Self {
            device_id: text(DEVICE_HEADER)?.map(DeviceId::new).transpose()?,
            session_id: text(SESSION_HEADER)?.map(SessionId::new).transpose()?,
        })
    }

    /// This origin as one of an authenticated user. An exclusion needs the user.
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
    /// The exclusion that hides an event from this tab; `None` where the origin names no tab.
    /// [`Event::except`](crate::Event::except) also accepts the origin itself.
    #[must_use]
    pub fn tab(&self) -> Option<Except> {
        Some(Except::tab(&self.user, self.origin.session_id.as_ref()?))
    }

    /// The exclusion that hides an event from every tab of this device; `None` where the origin names no device.
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
            let detail = format!("the header X-Device-Id or X-Session-Id is not an id: {error}");
            crate::http::problem::answer(&Problem::new(Code::Malformed).detail(detail)).into_response()
        })
    }
}
