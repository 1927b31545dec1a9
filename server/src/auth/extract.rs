//! Authentication by the extractors of the application.

use std::{future::Future, marker::PhantomData};

use async_trait::async_trait;
use axum::{extract::FromRequestParts, response::IntoResponse};
use http::{HeaderMap, StatusCode, header, request::Parts};

use super::{Auth, AuthError, AuthRequest, Identity};

/// An [`Auth`] that uses extractors, from [`from_extractor`].
pub struct FromExtractor<E, S, F> {
    state: S,
    identify: F,
    extracted: PhantomData<fn() -> E>,
}

/// Authenticates with an extractor that the application already has, or with several as a tuple, and with the
/// application's state.
///
/// ```
/// # use axum::{extract::{FromRequestParts, State}, http::{StatusCode, request::Parts}};
/// use tidings::auth::{Auth, AuthRequest, Identity, from_extractor};
///
/// #[derive(Clone)]
/// struct App { /* the database, … */ }
///
/// struct CurrentUser { id: String } // the extractor of the application's handlers
/// # impl FromRequestParts<App> for CurrentUser {
/// #     type Rejection = StatusCode;
/// #     async fn from_request_parts(_: &mut Parts, _: &App) -> Result<Self, StatusCode> { Err(StatusCode::UNAUTHORIZED) }
/// # }
///
/// # fn f(app: App) -> Result<(), tidings::ChannelError> {
/// let auth = from_extractor(app.clone(), |user: CurrentUser| async move { Identity::user(user.id) });
/// let auth = auth.allow("timer:{user}")?;
///
/// // With the state and the request itself:
/// let auth = from_extractor(app, |(State(app), request): (State<App>, AuthRequest)| async move {
///     # let _ = (app, request);
///     Ok(Identity::anonymous())
/// });
/// # fn check(_: impl Auth) {} check(auth);
/// # Ok(()) }
/// ```
///
/// The status of a rejection decides the error. 401, or a redirection to a log-in page, is [`AuthError::Missing`] if
/// the request has neither a cookie nor `Authorization`, and [`AuthError::Invalid`] otherwise. 403 is
/// [`Forbidden`](AuthError::Forbidden); 5xx is [`Unavailable`](AuthError::Unavailable), so that the client tries again;
/// any other status is [`Malformed`](AuthError::Malformed). Use `Option<CurrentUser>` where guests are welcome.
/// Extractors that read the body do not work here, because a stream's request has no body.
pub fn from_extractor<E, S, F, Fut>(state: S, identify: F) -> FromExtractor<E, S, F>
where
    E: FromRequestParts<S> + Send + 'static,
    S: Clone + Send + Sync + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Identity, AuthError>> + Send,
{
    FromExtractor { state, identify, extracted: PhantomData }
}

#[async_trait]
impl<E, S, F, Fut> Auth for FromExtractor<E, S, F>
where
    E: FromRequestParts<S> + Send + 'static,
    S: Clone + Send + Sync + 'static,
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Identity, AuthError>> + Send,
{
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        let mut parts = request.into_parts();
        let extracted = E::from_request_parts(&mut parts, &self.state).await;
        let extracted = extracted.map_err(|rejection| refused(rejection.into_response().status(), &parts.headers))?;
        (self.identify)(extracted).await
    }
}

/// The error for a rejection with this status.
fn refused(status: StatusCode, headers: &HeaderMap) -> AuthError {
    let brings_credentials = headers.contains_key(header::COOKIE) || headers.contains_key(header::AUTHORIZATION);
    match status.as_u16() {
        300..=399 | 401 if brings_credentials => AuthError::Invalid,
        300..=399 | 401 => AuthError::Missing,
        403 => AuthError::Forbidden,
        500.. => AuthError::Unavailable(format!("the extractor answers {status}").into()),
        _ => AuthError::Malformed,
    }
}

/// The head of the request, as an extractor for [`from_extractor`].
impl<S: Send + Sync> FromRequestParts<S> for AuthRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::new(parts.clone()))
    }
}

impl<E, S, F> std::fmt::Debug for FromExtractor<E, S, F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FromExtractor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use axum::extract::State;

    use super::*;

    #[derive(Clone)]
    struct App(StatusCode);

    /// Accepts a request that names its user, and rejects others with the application's status.
    #[derive(Debug)]
    struct CurrentUser(String);

    impl FromRequestParts<App> for CurrentUser {
        type Rejection = StatusCode;

        async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, StatusCode> {
            let name = parts.headers.get("name").and_then(|name| name.to_str().ok());
            name.map(|name| Self(name.to_owned())).ok_or(app.0)
        }
    }

    async fn authenticate(status: u16, headers: &[(&str, &str)]) -> Result<Identity, AuthError> {
        let app = App(StatusCode::from_u16(status).unwrap());
        type Extracted = (State<App>, CurrentUser, AuthRequest);
        let auth = from_extractor(app, move |(State(app), CurrentUser(name), request): Extracted| async move {
            assert_eq!((app.0.as_u16(), request.headers()["name"].to_str().unwrap()), (status, &*name));
            Identity::user(name)
        });
        let mut request = http::Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        auth.authenticate(AuthRequest::new(request.body(()).unwrap().into_parts().0)).await
    }

    #[tokio::test]
    async fn several_extractors_say_who_it_is() {
        let identity = authenticate(401, &[("name", "ana")]).await.unwrap();
        assert_eq!(identity.user_id().unwrap().as_str(), "ana");
    }

    #[tokio::test]
    async fn a_rejection_is_told_by_its_status() {
        let cookie = [("cookie", "session=gone")];
        assert!(matches!(authenticate(401, &[]).await, Err(AuthError::Missing)));
        assert!(matches!(authenticate(303, &[]).await, Err(AuthError::Missing)));
        assert!(matches!(authenticate(401, &cookie).await, Err(AuthError::Invalid)));
        assert!(matches!(authenticate(401, &[("authorization", "Bearer x")]).await, Err(AuthError::Invalid)));
        assert!(matches!(authenticate(403, &[]).await, Err(AuthError::Forbidden)));
        assert!(matches!(authenticate(400, &[]).await, Err(AuthError::Malformed)));
        assert!(matches!(authenticate(500, &[]).await, Err(AuthError::Unavailable(_))));
    }
}
