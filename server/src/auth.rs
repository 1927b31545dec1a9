//! Who is asking, and what they may hear and publish.
//!
//! [`Auth`] turns a request into an [`Identity`]. Closures implement it:
//!
//! ```
//! use tidings::auth::{Auth, AuthError, AuthRequest, Identity};
//!
//! # async fn user_of(session: &str) -> Option<String> { None }
//! # async fn is_member(user: &str, channel: &str) -> bool { true }
//! let auth = |request: AuthRequest| async move {
//!     let session = request.cookie("session").ok_or(AuthError::Missing)?;
//!     let user = user_of(&session).await.ok_or(AuthError::Invalid)?;
//!     Identity::user(user)
//! };
//! // Grants that hold for everyone; `{user}` is the user's own id, as one channel segment.
//! let auth = auth.allow("timer:{user}")?.allow("news:*")?;
//! // And what only the database knows.
//! let auth = auth.allow_if(|identity, channel| async move {
//!     Ok(identity.user_id().is_some() && is_member("ana", channel.as_str()).await)
//! });
//! # fn check(_: impl Auth) {} check(auth);
//! # Ok::<(), tidings::ChannelError>(())
//! ```
//!
//! # Ways in
//!
//! | | |
//! |---|---|
//! | a closure | your sessions, your cookies, your database |
//! | [`from_extractor`] | the extractor by which your handlers know the user, and your state |
//! | `Jwt` | JSON Web Tokens, with the feature `jwt` |
//! | `Forward` | an endpoint of your application is asked, with the feature `forward` |
//! | [`Tickets`](crate::Routes::tickets) | single-use texts for clients that can set no header, beside any of these |
//!
//! [`Auth::or`] makes one of two: the first that knows the credentials decides. Each of them has a program of its own that runs, in
//! `examples/auth_*.rs` of this crate.

mod combine;
mod combined;
mod error;
mod extract;
#[cfg(feature = "forward")]
mod forward;
mod identity;
#[cfg(feature = "jwt")]
mod jwt;
mod request;
pub(crate) mod ticket;

use std::future::Future;

use async_trait::async_trait;
#[cfg(feature = "forward")]
pub use forward::{Forward, ForwardError};
#[cfg(feature = "jwt")]
pub use jwt::{Jwt, JwtKey, JwtKeyError, JwtKeys};
use tidings_protocol::{Channel, ChannelError};

pub use crate::access::Grant;
use crate::access::Right;

pub use self::{
    combined::{Allow, AllowAmong, AllowIf, Or},
    error::AuthError,
    extract::{FromExtractor, from_extractor},
    identity::Identity,
    request::AuthRequest,
    ticket::{HeldTicket, MemoryTickets, TicketError, TicketName, TicketStore},
};

/// Turns a request into an identity. Async closures over [`AuthRequest`] implement it.
#[async_trait]
pub trait Auth: Send + Sync + 'static {
    /// Who the request belongs to. [`AuthError::Missing`] says that it holds no credentials of the kind that this knows.
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError>;

    /// To which of these channels, none of which a grant covers, somebody may subscribe. It is asked once for all channels of a
    /// request, each of which is there once, and about channels only: a pattern is received only where a grant covers all of it.
    /// What it returns beside these counts for nothing. Defaults to none.
    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        let _ = (identity, channels);
        Ok(Vec::new())
    }

    /// Allows everyone whom this lets in to subscribe to a channel or pattern, in which `{user}` stands for the user's id as
    /// one segment.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is no grant.
    fn allow<G>(self, grant: G) -> Result<Allow<Self>, ChannelError>
    where
        Self: Sized,
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(Allow { auth: self, grant: grant.try_into()?, right: Right::Subscribe })
    }

    /// Allows everyone whom this lets in to publish over HTTP, in their own name; see [`Identity::allow_publish`].
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is no grant.
    fn allow_publish<G>(self, grant: G) -> Result<Allow<Self>, ChannelError>
    where
        Self: Sized,
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(Allow { auth: self, grant: grant.try_into()?, right: Right::Publish })
    }

    /// Allows everyone whom this lets in to see who is online on a channel, or on all in a pattern (`*`: everyone), where the
    /// hub has [presence](crate::HubBuilder::presence); see [`Identity::allow_presence`].
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is no grant.
    fn allow_presence<G>(self, grant: G) -> Result<Allow<Self>, ChannelError>
    where
        Self: Sized,
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(Allow { auth: self, grant: grant.try_into()?, right: Right::WatchPresence })
    }

    /// Asks `may` (a database, say) about each channel that no grant covers, as [`may_subscribe`](Self::may_subscribe). Where
    /// it fails, the whole request is answered 503, and the client tries again.
    ///
    /// ```
    /// use tidings::auth::{Auth, AuthError, AuthRequest, Identity};
    /// # async fn is_member(user: &str, room: &str) -> Result<bool, std::io::Error> { Ok(true) }
    /// let auth = |_: AuthRequest| async { Identity::user("ana") };
    /// let auth = auth.allow_if(|identity, channel| async move {
    ///     let (Some(user), Some(room)) = (identity.user_id(), channel.as_str().strip_prefix("room:")) else {
    ///         return Ok(false);
    ///     };
    ///     is_member(user.as_str(), room).await.map_err(|error| AuthError::Unavailable(error.into()))
    /// });
    /// # fn check(_: impl Auth) {} check(auth);
    /// ```
    fn allow_if<F, Fut>(self, may: F) -> AllowIf<Self, F>
    where
        Self: Sized,
        F: Fn(Identity, Channel) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<bool, AuthError>> + Send,
    {
        AllowIf { auth: self, may }
    }

    /// Asks `among` once for all channels of a request that no grant covers: which of them may somebody subscribe to? It is
    /// [`allow_if`](Self::allow_if) for a database that answers for many in one query.
    ///
    /// ```
    /// use tidings::{Channel, auth::{Auth, AuthError, AuthRequest, Identity}};
    /// # async fn rooms_of(user: &str, among: &[Channel]) -> Result<Vec<Channel>, std::io::Error> { Ok(Vec::new()) }
    /// let auth = |_: AuthRequest| async { Identity::user("ana") };
    /// let auth = auth.allow_among(|identity, channels| async move {
    ///     let Some(user) = identity.user_id() else { return Ok(Vec::new()) };
    ///     rooms_of(user.as_str(), &channels).await.map_err(|error| AuthError::Unavailable(error.into()))
    /// });
    /// # fn check(_: impl Auth) {} check(auth);
    /// ```
    fn allow_among<F, Fut>(self, among: F) -> AllowAmong<Self, F>
    where
        Self: Sized,
        F: Fn(Identity, Vec<Channel>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Vec<Channel>, AuthError>> + Send,
    {
        AllowAmong { auth: self, among }
    }

    /// Tries another way in where this one finds no credentials of its kind ([`AuthError::Missing`]). Credentials that it
    /// knows and refuses stay refused: a bad token is not passed over for a cookie, nor for an anonymous identity. What is
    /// allowed before `or` ([`allow`](Self::allow), [`allow_if`](Self::allow_if)) is allowed to those who come in by this one,
    /// what is allowed after it to all.
    ///
    /// ```
    /// use tidings::auth::{Auth, AuthError, AuthRequest, Identity};
    /// let services = |request: AuthRequest| async move {
    ///     match request.bearer().ok_or(AuthError::Missing)? {
    ///         "s3cret" => Ok(Identity::user("billing")?.backend().allow_publish("invoice:*")?),
    ///         _ => Err(AuthError::Invalid),
    ///     }
    /// };
    /// let guests = |_: AuthRequest| async { Ok(Identity::anonymous()) };
    /// let auth = services.or(guests).allow("news:*")?;
    /// # fn check(_: impl Auth) {} check(auth);
    /// # Ok::<(), tidings::ChannelError>(())
    /// ```
    fn or<B: Auth>(self, other: B) -> Or<Self, B>
    where
        Self: Sized,
    {
        Or { first: self, second: other }
    }
}
