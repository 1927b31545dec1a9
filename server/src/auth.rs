//! Who is asking, and what they may hear and publish.
//!
//! [`Auth`] turns a request into an [`Identity`]. Closures implement it:
//!
//! ```
//! use tidings::auth::{Auth, AuthError, AuthRequest, Identity};
//!
//! # async fn user_of(session: &str) -> Option<String> { None }
//! let auth = |request: AuthRequest| async move {
//!     let session = request.cookie("session").ok_or(AuthError::Missing)?;
//!     let user = user_of(&session).await.ok_or(AuthError::Invalid)?;
//!     Identity::user(user)
//! };
//! // Grants that hold for everyone; `{user}` is the user's own id, as one channel segment.
//! let auth = auth.allow("timer:{user}").allow("news:*");
//! # fn check(_: impl Auth) {} check(auth);
//! ```

mod grant;
mod request;

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
pub use grant::Grant;
pub use request::AuthRequest;
use tidings_protocol::{
    IdError, Pattern, UserId,
    problem::{Code, Problem},
};

/// Why a request was not authenticated. Each kind is answered with its own `code`; none holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// No credentials: 401 `credentialsMissing`.
    #[error("credentials are missing")]
    Missing,
    /// Credentials that are not good: 401 `credentialsInvalid`.
    #[error("credentials are not valid")]
    Invalid,
    /// Credentials that were good once: 401 `credentialsExpired`.
    #[error("credentials have expired")]
    Expired,
    /// Good credentials of somebody who may not come in: 403 `forbidden`.
    #[error("not allowed")]
    Forbidden,
    /// It could not be found out (the session store is down): 503 `unavailable`, and the client tries again.
    #[error("authentication is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl AuthError {
    pub(crate) fn problem(&self) -> Problem {
        Problem::new(match self {
            Self::Missing => Code::CredentialsMissing,
            Self::Invalid => Code::CredentialsInvalid,
            Self::Expired => Code::CredentialsExpired,
            Self::Forbidden => Code::Forbidden,
            Self::Unavailable(_) => Code::Unavailable,
        })
    }
}

/// Who a request belongs to and what they may do. Nothing is allowed that no grant covers.
#[derive(Debug, Clone)]
pub struct Identity {
    user: Option<UserId>,
    listen: Vec<Pattern>,
    publish: Vec<Pattern>,
    publish_as_backend: bool,
}

impl Identity {
    /// An authenticated user.
    ///
    /// # Errors
    ///
    /// [`AuthError::Invalid`] when the id is empty, over 128 bytes, or holds control characters.
    pub fn user<U>(user: U) -> Result<Self, AuthError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let user = user.try_into().map_err(IdError::from).map_err(|_| AuthError::Invalid)?;
        Ok(Self { user: Some(user), ..Self::anonymous() })
    }

    /// Nobody in particular: hears the channels granted, and no user-addressed events.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { user: None, listen: Vec::new(), publish: Vec::new(), publish_as_backend: false }
    }

    /// Allows to subscribe to a channel or a pattern, and to all that lies in it. A grant that names `{user}` gives an
    /// anonymous identity nothing.
    #[must_use]
    pub fn allow(mut self, grant: &Grant) -> Self {
        self.listen.extend(grant.of(self.user.as_ref()));
        self
    }

    /// Allows to publish over HTTP to a channel or pattern, in one's own name: `source` and `except` may name no other
    /// user, and the audience is the channel's.
    #[must_use]
    pub fn allow_publish(mut self, grant: &Grant) -> Self {
        self.publish.extend(grant.of(self.user.as_ref()));
        self
    }

    /// Marks a backend, which publishes for its users: its granted channels may also be addressed to users and devices, and
    /// `source` and `except` may name anyone.
    #[must_use]
    pub fn backend(mut self) -> Self {
        self.publish_as_backend = true;
        self
    }

    /// The user; `None` when anonymous.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Whether a grant covers all of the pattern.
    #[must_use]
    pub fn may_listen(&self, pattern: &Pattern) -> bool {
        self.listen.iter().any(|grant| grant.covers(pattern))
    }

    /// Whether a publishing grant covers all of the pattern.
    #[must_use]
    pub fn may_publish(&self, pattern: &Pattern) -> bool {
        self.publish.iter().any(|grant| grant.covers(pattern))
    }

    pub(crate) fn is_backend(&self) -> bool {
        self.publish_as_backend
    }
}

/// Turns a request into an identity. Async closures over [`AuthRequest`] implement it.
#[async_trait]
pub trait Auth: Send + Sync + 'static {
    /// Who the request belongs to.
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError>;

    /// Allows everyone whom this lets in to subscribe to a channel or pattern, in which `{user}` stands for the user's id as
    /// one segment.
    ///
    /// # Panics
    ///
    /// When the text is no channel or pattern: a mistake in the program, found at start-up.
    fn allow(self, grant: &str) -> Allow<Self>
    where
        Self: Sized,
    {
        Allow { auth: self, grant: Grant::expect(grant), publish: false }
    }

    /// Allows everyone whom this lets in to publish over HTTP, in their own name; see [`Identity::allow_publish`].
    ///
    /// # Panics
    ///
    /// As [`allow`](Self::allow).
    fn allow_publish(self, grant: &str) -> Allow<Self>
    where
        Self: Sized,
    {
        Allow { auth: self, grant: Grant::expect(grant), publish: true }
    }
}

#[async_trait]
impl<F, Fut> Auth for F
where
    F: Fn(AuthRequest) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Identity, AuthError>> + Send,
{
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        self(request).await
    }
}

#[async_trait]
impl Auth for Arc<dyn Auth> {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        (**self).authenticate(request).await
    }
}

/// An [`Auth`] with one grant more, from [`Auth::allow`] and [`Auth::allow_publish`].
#[derive(Debug, Clone)]
pub struct Allow<A> {
    auth: A,
    grant: Grant,
    publish: bool,
}

#[async_trait]
impl<A: Auth> Auth for Allow<A> {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        let identity = self.auth.authenticate(request).await?;
        Ok(if self.publish { identity.allow_publish(&self.grant) } else { identity.allow(&self.grant) })
    }
}
