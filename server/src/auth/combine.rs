//! Combinations of [`Auth`]: two in a row, and grants for every identity of one.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use tidings_protocol::Channel;

use super::{Allow, AllowAmong, AllowIf, Auth, AuthError, AuthRequest, Identity, Or, identity::Way};

#[async_trait]
impl<A: Auth> Auth for Allow<A> {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        Ok(self.auth.authenticate(request).await?.granting(self.right, &self.grant))
    }

    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        self.auth.may_subscribe(identity, channels).await
    }
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

    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        let mut allowed = self.auth.may_subscribe(identity, channels).await?;
        let others: Vec<_> = channels.iter().filter(|channel| !allowed.contains(channel)).cloned().collect();
        for channel in others {
            if (self.may)(identity.clone(), channel.clone()).await? {
                allowed.push(channel);
            }
        }
        Ok(allowed)
    }
}

#[async_trait]
impl<A, F, Fut> Auth for AllowAmong<A, F>
where
    A: Auth,
    F: Fn(Identity, Vec<Channel>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Vec<Channel>, AuthError>> + Send,
{
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        self.auth.authenticate(request).await
    }

    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        let mut allowed = self.auth.may_subscribe(identity, channels).await?;
        let others: Vec<_> = channels.iter().filter(|channel| !allowed.contains(channel)).cloned().collect();
        if !others.is_empty() {
            allowed.extend((self.among)(identity.clone(), others).await?);
        }
        Ok(allowed)
    }
}

#[async_trait]
impl<A: Auth, B: Auth> Auth for Or<A, B> {
    async fn authenticate(&self, request: AuthRequest) -> Result<Identity, AuthError> {
        match self.first.authenticate(request.clone()).await {
            Err(AuthError::Missing) => Ok(self.second.authenticate(request).await?.by(Way::Second)),
            known => Ok(known?.by(Way::First)),
        }
    }

    /// Asks only the side that authenticated the identity, because each side decides for its own identities.
    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        match identity.way() {
            Some((Way::First, identity)) => self.first.may_subscribe(&identity, channels).await,
            Some((Way::Second, identity)) => self.second.may_subscribe(&identity, channels).await,
            None => Ok(Vec::new()),
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

    async fn may_subscribe(&self, identity: &Identity, channels: &[Channel]) -> Result<Vec<Channel>, AuthError> {
        (**self).may_subscribe(identity, channels).await
    }
}
