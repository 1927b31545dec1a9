//! The identity of a caller, and its grants.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tidings_protocol::{ChannelError, DeviceId, IdError, Pattern, UserId};

use super::{AuthError, Grant};
use crate::{
    access::{Credentials, Grants, Issued, Right},
    clock::millis,
};

/// The identity that a request was authenticated as, with its grants. Access is denied by default: an identity may do
/// only what a grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    user: Option<UserId>,
    grants: Grants,
    publish_as_backend: bool,
    expires: Option<SystemTime>,
    #[serde(default)]
    issued: Option<SystemTime>,
    /// The sides of each [`Auth::or`](super::Auth::or) that authenticated it, the inner one first.
    #[serde(default)]
    ways: Vec<Way>,
}

/// A side of [`Auth::or`](super::Auth::or).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Way {
    First,
    Second,
}

impl Identity {
    /// An authenticated user, without grants.
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

    /// An anonymous identity, without grants. It receives no user-addressed events.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            user: None,
            grants: Grants::default(),
            publish_as_backend: false,
            expires: None,
            issued: None,
            ways: Vec::new(),
        }
    }

    /// Allows subscribing to a channel, or to a pattern and everything in it. A grant that names `{user}` has no effect
    /// on an anonymous identity.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a grant. The operator `?` turns it into an [`AuthError`], which is
    /// answered with 503 and logged.
    pub fn allow<G>(self, grant: G) -> Result<Self, ChannelError>
    where
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(self.granting(Right::Subscribe, &grant.try_into()?))
    }

    /// Allows publishing over HTTP to a channel or pattern, as oneself: `source` and `except` may not name another
    /// user, and events cannot be addressed to users or devices.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a grant. The operator `?` turns it into an [`AuthError`], which is
    /// answered with 503 and logged.
    pub fn allow_publish<G>(self, grant: G) -> Result<Self, ChannelError>
    where
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(self.granting(Right::Publish, &grant.try_into()?))
    }

    /// Allows watching who is online on a channel, or on all channels in a pattern; `*` means everyone. A grant to
    /// subscribe does not include this, nor the reverse.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is not a grant. The operator `?` turns it into an [`AuthError`], which is
    /// answered with 503 and logged.
    pub fn allow_presence<G>(self, grant: G) -> Result<Self, ChannelError>
    where
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(self.granting(Right::WatchPresence, &grant.try_into()?))
    }

    /// Marks a backend that publishes on behalf of its users: on the channels of its publishing grants it may also
    /// address users and devices, and `source` and `except` may name any user.
    #[must_use]
    pub fn backend(mut self) -> Self {
        self.publish_as_backend = true;
        self
    }

    /// When the credentials expire. Streams send the remaining time to their clients as `expiresIn`. Defaults to never.
    #[must_use]
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    /// When the credentials were issued. Credentials issued before a [`Hub::revoke`](crate::Hub::revoke) or
    /// [`disconnect`](crate::Hub::disconnect) are refused the access that was revoked. Defaults to before everything: a
    /// revoked user then stays revoked until [`Hub::restore`](crate::Hub::restore), or until the revocation is
    /// forgotten ([`revocation_life`](crate::HubBuilder::revocation_life), 24 hours), after which your own
    /// authentication must refuse the user. For sessions, set the time of the log-in, by the clock of the hub's
    /// machine: a session from a clock that runs ahead looks newer than a revocation that came after it.
    #[must_use]
    pub fn issued_at(mut self, time: SystemTime) -> Self {
        self.issued = Some(time);
        self
    }

    /// The user; `None` when anonymous.
    #[must_use]
    pub fn user_id(&self) -> Option<&UserId> {
        self.user.as_ref()
    }

    /// Whether a subscribing grant covers all of the pattern.
    #[must_use]
    pub fn may_listen(&self, pattern: &Pattern) -> bool {
        self.grants.cover(Right::Subscribe, pattern)
    }

    /// Whether a publishing grant covers all of the pattern.
    #[must_use]
    pub fn may_publish(&self, pattern: &Pattern) -> bool {
        self.grants.cover(Right::Publish, pattern)
    }

    /// Whether a presence grant covers all of the pattern.
    #[must_use]
    pub fn may_watch(&self, pattern: &Pattern) -> bool {
        self.grants.cover(Right::WatchPresence, pattern)
    }

    /// The time until the credentials expire: `None` where they do not expire, zero where they have expired.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        Some(self.expires?.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The same identity with one more grant.
    pub(super) fn granting(mut self, right: Right, grant: &Grant) -> Self {
        self.grants.add(right, grant, self.user.as_ref());
        self
    }

    /// The facts that authorization looks at: the user, the device, and the age of the credentials.
    pub(crate) fn credentials<'a>(&'a self, device: Option<&'a DeviceId>) -> Credentials<'a> {
        Credentials { user: self.user.as_ref(), device, issued: self.issued_ms() }
    }

    /// Whether any grant gives this right.
    pub(crate) fn may_any(&self, right: Right) -> bool {
        self.grants.has_any(right)
    }

    /// Whether a grant gives this right to all of the pattern.
    pub(crate) fn may(&self, right: Right, pattern: &Pattern) -> bool {
        self.grants.cover(right, pattern)
    }

    /// When the credentials were issued, in milliseconds since 1970.
    pub(crate) fn issued_ms(&self) -> Issued {
        Some(millis(self.issued?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()))
    }

    /// This identity, authenticated by this side.
    pub(super) fn by(mut self, way: Way) -> Self {
        self.ways.push(way);
        self
    }

    /// The outermost side that authenticated the identity, and the identity as that side made it.
    pub(super) fn way(&self) -> Option<(Way, Self)> {
        let mut inner = self.clone();
        Some((inner.ways.pop()?, inner))
    }

    pub(crate) fn is_backend(&self) -> bool {
        self.publish_as_backend
    }
}
