//! Authentication and grants: who is calling, and which channels they may receive, publish to and watch.
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
//! // And channels that only the database knows about.
//! let auth = auth.allow_if(|identity, channel| async move {
//!     Ok(identity.user_id().is_some() && is_member("ana", channel.as_str()).await)
//! });
//! # fn check(_: impl Auth) {} check(auth);
//! # Ok::<(), tidings::ChannelError>(())
//! ```
//!
//! # Ways to authenticate
//!
//! | | |
//! |---|---|
//! | a closure | reads your sessions, your cookies, your database |
//! | [`from_extractor`] | uses the extractor by which your handlers know the user, and your state |
//! | `Jwt` | reads JSON Web Tokens; feature `jwt` |
//! | `Forward` | asks an endpoint of your application; feature `forward` |
//! | [`Tickets`](crate::Routes::tickets) | single-use tickets for clients that can set no header; combine them with any of these |
//!
//! [`Auth::or`] combines two of them: the first that recognizes the credentials decides. Each has a runnable program of
//! its own, in `examples/auth_*.rs` of this crate.

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
    /// The identity of a request. [`AuthError::Missing`] says that the request has no credentials of the kind that this
    /// `Auth` knows.
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError>;

    /// The channels among these to which the identity may subscribe. The hub asks once for all channels of a request
    /// that no grant covers, each listed once. It asks about channels only: a pattern is received only if a grant
    /// covers all of it. Channels in the answer that were not asked about are ignored. Defaults to none.
    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        let _ = (identity, channels);
        Ok(Vec::new())
    }

    /// Allows every identity of this `Auth` to subscribe to a channel or pattern. `{user}` in it stands for the user's
    /// id as one segment.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a grant.
    fn allow<G>(self, grant: G) -> Result<Allow<Self>, ChannelError>
    where
        Self: Sized,
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(Allow { auth: self, grant: grant.try_into()?, right: Right::Subscribe })
    }

    /// Allows every identity of this `Auth` to publish over HTTP, as itself; see [`Identity::allow_publish`].
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a grant.
    fn allow_publish<G>(self, grant: G) -> Result<Allow<Self>, ChannelError>
    where
        Self: Sized,
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(Allow { auth: self, grant: grant.try_into()?, right: Right::Publish })
    }

    /// Allows every identity of this `Auth` to see who is online on a channel, or on all channels in a pattern (`*`
    /// means everyone), where the hub has [presence](crate::HubBuilder::presence); see [`Identity::allow_presence`].
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a grant.
    fn allow_presence<G>(self, grant: G) -> Result<Allow<Self>, ChannelError>
    where
        Self: Sized,
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(Allow { auth: self, grant: grant.try_into()?, right: Right::WatchPresence })
    }

    /// Asks `may` (a database, for example) about each channel that no grant covers, as
    /// [`may_subscribe`](Self::may_subscribe). If it fails, the whole request is answered with 503, and the client
    /// tries again.
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

    /// Asks `among` once for all channels of a request that no grant covers. It returns the channels to which the
    /// identity may subscribe. It is [`allow_if`](Self::allow_if) for a database that answers for many channels in one
    /// query.
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

    /// Tries another `Auth` where this one finds no credentials of its kind ([`AuthError::Missing`]). Credentials that
    /// this one recognizes and refuses stay refused: a bad token is never ignored in favour of a cookie or of an
    /// anonymous identity. Grants added before `or` ([`allow`](Self::allow), [`allow_if`](Self::allow_if)) hold for
    /// identities of that side only; grants added after it hold for both.
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
