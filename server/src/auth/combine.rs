//! Several ways in, and grants for everyone who takes one.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use tidings_protocol::Channel;

use super::{Auth, AuthError, AuthRequest, Grant, Identity, identity::Way};

/// What a grant allows.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Subscribe,
    Publish,
    Presence,
}

/// An [`Auth`] with one grant more, from [`Auth::allow`], [`Auth::allow_publish`] and [`Auth::allow_presence`].
#[derive(Debug, Clone)]
pub struct Allow<A> {
    pub(super) auth: A,
    pub(super) grant: Grant,
    pub(super) kind: Kind,
}

#[async_trait]
impl<A: Auth> Auth for Allow<A> {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        let identity = self.auth.authenticate(request).await?;
        Ok(match self.kind {
            Kind::Subscribe => identity.allow(&self.grant)?,
            Kind::Publish => identity.allow_publish(&self.grant)?,
            Kind::Presence => identity.allow_presence(&self.grant)?,
        })
    }

    async fn may_subscribe(&self, identity: &Identity, channel: &Channel) -> Result<bool, AuthError> {
        self.auth.may_subscribe(identity, channel).await
    }
}

/// An [`Auth`] that asks for what no grant covers, from [`Auth::allow_if`].
#[derive(Debug, Clone)]
pub struct AllowIf<A, F> {
    pub(super) auth: A,
    pub(super) may: F,
}

#[async_trait]
impl<A, F, Fut> Auth for AllowIf<A, F>
where
    A: Auth,
    F: Fn(Identity, Channel) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<bool, AuthError>> + Send,
{
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        self.auth.authenticate(request).await
    }

    async fn may_subscribe(&self, identity: &Identity, channel: &Channel) -> Result<bool, AuthError> {
        Ok(self.auth.may_subscribe(identity, channel).await? || (self.may)(identity.clone(), channel.clone()).await?)
    }
}

/// Two ways in, from [`Auth::or`].
#[derive(Debug, Clone)]
pub struct Or<A, B> {
    pub(super) first: A,
    pub(super) second: B,
}

#[async_trait]
impl<A: Auth, B: Auth> Auth for Or<A, B> {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        match self.first.authenticate(request.clone()).await {
            Err(AuthError::Missing) => Ok(self.second.authenticate(request).await?.by(Way::Second)),
            known => Ok(known?.by(Way::First)),
        }
    }

    /// Asks the way by which they came in, and not the other: what one allows, it allows those whom it knows.
    async fn may_subscribe(&self, identity: &Identity, channel: &Channel) -> Result<bool, AuthError> {
        match identity.way() {
            Some((Way::First, identity)) => self.first.may_subscribe(&identity, channel).await,
            Some((Way::Second, identity)) => self.second.may_subscribe(&identity, channel).await,
            None => Ok(false),
        }
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

    async fn may_subscribe(&self, identity: &Identity, channel: &Channel) -> Result<bool, AuthError> {
        (**self).may_subscribe(identity, channel).await
    }
}
