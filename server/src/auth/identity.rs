//! Who somebody is, and what they may do.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use tidings_protocol::{ChannelError, DeviceId, IdError, Pattern, UserId};

use super::{AuthError, Grant};
use crate::{
    access::{Credentials, Grants, Issued, Right},
    clock::millis,
};

/// Who a request belongs to and what they may do. Nothing is allowed that no grant covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    user: Option<UserId>,
    grants: Grants,
    publish_as_backend: bool,
    expires: Option<SystemTime>,
    #[serde(default)]
    issued: Option<SystemTime>,
    /// By which of two ways ([`Auth::or`](super::Auth::or)) it came in, the inner one first.
    #[serde(default)]
    ways: Vec<Way>,
}

/// One of the two ways of [`Auth::or`](super::Auth::or).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Way {
    First,
    Second,
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
        Self {
            user: None,
            grants: Grants::default(),
            publish_as_backend: false,
            expires: None,
            issued: None,
            ways: Vec::new(),
        }
    }

    /// Allows to subscribe to a channel or a pattern, and to all that lies in it. A grant that names `{user}` gives an
    /// anonymous identity nothing.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is no grant. By `?` it becomes an [`AuthError`]: 503, and it is logged.
    pub fn allow<G>(self, grant: G) -> Result<Self, ChannelError>
    where
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(self.granting(Right::Subscribe, &grant.try_into()?))
    }

    /// Allows to publish over HTTP to a channel or pattern, in one's own name: `source` and `except` may name no other
    /// user, and the audience is the channel's.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is no grant. By `?` it becomes an [`AuthError`]: 503, and it is logged.
    pub fn allow_publish<G>(self, grant: G) -> Result<Self, ChannelError>
    where
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(self.granting(Right::Publish, &grant.try_into()?))
    }

    /// Allows to see who is online on a channel, or on all that lie in a pattern; `*` is everyone. Hearing a channel does not
    /// include this, nor the other way round.
    ///
    /// # Errors
    ///
    /// [`ChannelError`] when the text is no grant. By `?` it becomes an [`AuthError`]: 503, and it is logged.
    pub fn allow_presence<G>(self, grant: G) -> Result<Self, ChannelError>
    where
        G: TryInto<Grant>,
        ChannelError: From<G::Error>,
    {
        Ok(self.granting(Right::WatchPresence, &grant.try_into()?))
    }

    /// Marks a backend, which publishes for its users: its granted channels may also be addressed to users and devices, and
    /// `source` and `except` may name anyone.
    #[must_use]
    pub fn backend(mut self) -> Self {
        self.publish_as_backend = true;
        self
    }

    /// Until when the credentials are good. Streams tell it to their clients as `expiresIn`. Defaults to for ever.
    #[must_use]
    pub fn expires_at(mut self, time: SystemTime) -> Self {
        self.expires = Some(time);
        self
    }

    /// When the credentials were issued: those issued before [`Hub::revoke`](crate::Hub::revoke) or
    /// [`disconnect`](crate::Hub::disconnect) are refused what was revoked. Defaults to before everything, so that who is revoked
    /// stays so until [`Hub::restore`](crate::Hub::restore), or until the revocation is forgotten
    /// ([`revocation_life`](crate::HubBuilder::revocation_life), 24 hours): whoever is to be kept out for longer must be refused by
    /// your own authentication by then. Set the time of the log-in for sessions, by the clock of the hub's machine: a session of a
    /// clock that is ahead looks newer than a revocation that came after it.
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

    /// Whether a grant covers all of the pattern.
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

    /// How much longer the credentials are good: `None` where they do not expire, zero where they have.
    #[must_use]
    pub fn expires_in(&self) -> Option<Duration> {
        Some(self.expires?.duration_since(SystemTime::now()).unwrap_or_default())
    }

    /// The same with one grant more.
    pub(super) fn granting(mut self, right: Right, grant: &Grant) -> Self {
        self.grants.add(right, grant, self.user.as_ref());
        self
    }

    /// What is judged of it: who it is, on this device, and how old its credentials are.
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

    /// This identity, let in by this way.
    pub(super) fn by(mut self, way: Way) -> Self {
        self.ways.push(way);
        self
    }

    /// By which of the two outermost ways it came in, and who it is behind that.
    pub(super) fn way(&self) -> Option<(Way, Self)> {
        let mut inner = self.clone();
        Some((inner.ways.pop()?, inner))
    }

    pub(crate) fn is_backend(&self) -> bool {
        self.publish_as_backend
    }
}
