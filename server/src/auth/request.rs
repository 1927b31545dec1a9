//! What an [`Auth`](super::Auth) may look at.

use std::{fmt, net::SocketAddr, sync::Arc};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, Uri, header, request::Parts};

/// The head of the request to be authenticated. Cloning it is cheap. Its `Debug` shows neither headers nor query, for they
/// hold the credentials.
#[derive(Clone)]
pub struct AuthRequest {
    parts: Arc<Parts>,
}

impl fmt::Debug for AuthRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { method, uri, .. } = &*self.parts;
        f.debug_struct("AuthRequest").field("method", method).field("path", &uri.path()).finish_non_exhaustive()
    }
}

impl AuthRequest {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    /// The head itself.
    pub(super) fn into_parts(self) -> Parts {
        Arc::unwrap_or_clone(self.parts)
    }

    /// Its headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// Its URI, below the path at which the router is nested.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// What layers in front have found out: a session, a database user.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// The cookie of this name, its value as it was sent.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let headers = self.parts.headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
        headers
            .flat_map(|line| cookie::Cookie::split_parse(line.to_owned()))
            .filter_map(Result::ok)
            .find(|cookie| cookie.name() == name)
            .map(|cookie| cookie.value().to_owned())
    }

    /// The token of `Authorization: Bearer` (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        let value = self.parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
    }

    /// The query parameter of this name, decoded; the first, where there are several.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The address at the other end of the socket, where the server provides it (`tidings::serve` does; under `axum::serve`,
    /// `into_make_service_with_connect_info`). Behind a proxy that is the proxy's.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
    }
}
