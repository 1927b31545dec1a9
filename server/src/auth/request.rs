//! The parts of a request that an [`Auth`](super::Auth) may read.

use std::{borrow::Cow, fmt, net::SocketAddr, sync::Arc};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap, Uri, header, request::Parts};

use crate::query::parameter;

/// The head of the request to be authenticated. Clones are cheap. `Debug` shows neither headers nor query, because they
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

    /// The head as axum's parts.
    pub(super) fn into_parts(self) -> Parts {
        Arc::unwrap_or_clone(self.parts)
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The URI, below the path at which the router is nested.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.parts.uri
    }

    /// The extensions that outer layers have added, such as a session or a database user.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.parts.extensions
    }

    /// The value of the cookie with this name, as it was sent.
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

    /// The query parameter with this name, decoded; the first if there are several.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        parameter(self.parts.uri.query()?, name).map(Cow::into_owned)
    }

    /// The address at the other end of the socket, where the server provides it (`tidings::serve` does; `axum::serve`
    /// needs `into_make_service_with_connect_info`). Behind a proxy it is the proxy's address.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
    }
}
