//! Commands about a user's streams: they go into the log like events, and what they leave in force is kept beside it, so that it
//! outlasts the log.

use std::sync::Arc;

use tidings_protocol::{ChannelError, DeviceId, IdError, Pattern, UserId, event::Timestamp};

use super::Hub;
use crate::{
    access::Pending,
    clock::{millis, wall_clock_ms},
    engine::{EngineError, Receipt},
    publish::{Invalid, PublishError, new_key},
    record::{Control, Entry, Order},
};

impl Hub {
    /// Takes channels away from a user: every stream of theirs, on every node, that hears something of `channels` is told
    /// `revoked`, and **nothing that is published after this returned reaches it there**, also where the stream lags behind, or
    /// resumes later. A pattern that overlaps them is taken away as a whole. Events addressed to the user are not on channels and
    /// go on; [`disconnect`](Self::disconnect) ends those too.
    ///
    /// Credentials issued before are refused these channels from now on, for publishing over HTTP and for watching who is there too, for 24 hours or what
    /// [`revocation_life`](crate::HubBuilder::revocation_life) says, across restarts; **then it is forgotten**, so they must not
    /// live longer. Which are older is told by [`Identity::issued_at`](crate::auth::Identity::issued_at), in tokens the claim
    /// `iat`; those of which nobody says it count as older all that time, unless [`restore`](Self::restore) is called. Take the
    /// user's grant away first, for newer credentials open what they grant, and so do older ones afterwards.
    ///
    /// ```
    /// # async fn f(hub: tidings::Hub) -> Result<(), Box<dyn std::error::Error>> {
    /// hub.revoke("ana", "room:7").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and [`Invalid::Id`], [`Invalid::Channel`]. After [`PublishError::Unknown`], call it again.
    pub async fn revoke<U, P>(&self, user: U, channels: P) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        self.command(id(user)?, Order::Revoke { channels: pattern(channels)?, until: self.revoked_until() }).await
    }

    /// Ends every stream of a user with `closing {reason: revoked}`, and refuses credentials issued before everything, as
    /// [`revoke`](Self::revoke) does for channels: 401 `credentialsRevoked`. Nothing that is published after this returned
    /// reaches the user before they come with newer ones.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn disconnect<U>(&self, user: U) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        self.command(id(user)?, Order::Disconnect { device: None, until: self.revoked_until() }).await
    }

    /// As [`disconnect`](Self::disconnect), on one device only. A device is what the client says of itself: this ends a forgotten
    /// tab, and keeps out nobody who means it.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn disconnect_device<U, D>(&self, user: U, device: D) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        D: TryInto<DeviceId>,
        IdError: From<U::Error> + From<D::Error>,
    {
        let device = id(device)?;
        self.command(id(user)?, Order::Disconnect { device: Some(device), until: self.revoked_until() }).await
    }

    /// Undoes all that was revoked of a user, disconnections included: credentials issued before are good again. Streams do not
    /// get back by themselves what they have lost; their clients ask again with the next stream, and with fresh credentials.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn restore<U>(&self, user: U) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        self.command(id(user)?, Order::Restore { channels: None }).await
    }

    /// Undoes what was revoked of a user by [`revoke`](Self::revoke), as far as `channels` covers it.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn restore_channels<U, P>(&self, user: U, channels: P) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        self.command(id(user)?, Order::Restore { channels: Some(pattern(channels)?) }).await
    }

    /// Gives channels to a user, whatever the grants say. All their streams carry them, asked or not: those open now from this
    /// place in the log on, and those to come, across restarts, until [`unsubscribe`](Self::unsubscribe) or until they are
    /// [revoked](Self::revoke). The streams are told by `subscribed`, with the request id `server`.
    ///
    /// For as long as it stands it is as good as a grant, to credentials of any age: a client may subscribe to what it covers, with
    /// `since` too. A handler of the browser client that was refused before is asked for again by itself.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke), and [`Invalid::TooManyChannels`] where the user has as many as a stream may hold.
    pub async fn subscribe<U, P>(&self, user: U, channels: P) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        let user = id(user)?;
        let (channels, limit) = (pattern(channels)?, self.config().channels_per_connection);
        let subscribed = self.core().subscribed(&user);
        if subscribed.len() >= limit && !subscribed.contains(&channels) {
            return Err(Invalid::TooManyChannels { limit }.into());
        }
        self.command(user, Order::Subscribe { channels }).await
    }

    /// Ends what [`subscribe`](Self::subscribe) began with the same channels. Streams are told by `revoked` what they lose: these
    /// channels, and those they asked for, as far as no grant covers them nor anything else that was given.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke).
    pub async fn unsubscribe<U, P>(&self, user: U, channels: P) -> Result<Receipt, PublishError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        self.command(id(user)?, Order::Unsubscribe { channels: pattern(channels)? }).await
    }

    fn revoked_until(&self) -> Timestamp {
        Timestamp(wall_clock_ms().saturating_add(millis(self.config().revocation_life)))
    }

    async fn command(&self, user: UserId, order: Order) -> Result<Receipt, PublishError> {
        let given = self.give_order(Control { user, order });
        let given = tokio::time::timeout(self.config().publish_deadline, given).await;
        given.unwrap_or_else(|elapsed| Err(PublishError::Unknown(elapsed.into())))
    }

    async fn give_order(&self, control: Control) -> Result<Receipt, PublishError> {
        let at = Timestamp(wall_clock_ms());
        let entry = Arc::new(Entry::control_of(new_key(), at, control.clone()));
        let metadata = self.engine().metadata();
        let refused = |error: EngineError| PublishError::Refused(error.into());
        let pending = Pending::keep(metadata, &entry, &control).await.map_err(refused)?;
        let receipt = match self.append_checked(vec![entry]).await {
            Ok(receipts) => receipts.into_iter().next(),
            Err(error) => {
                if matches!(error, PublishError::Refused(_)) {
                    let _ = pending.forget(metadata).await;
                }
                return Err(error);
            }
        };
        let receipt = receipt.ok_or_else(|| PublishError::Unknown("the engine returned no receipt".into()))?;
        self.core().foresee(&control, receipt.cursor, at.0);
        let confirmed = pending.confirm(&**self.engine(), receipt.cursor).await;
        confirmed.map_err(|error| PublishError::Unknown(error.into()))?;
        Ok(receipt)
    }
}

fn id<I, T>(id: I) -> Result<T, PublishError>
where
    I: TryInto<T>,
    IdError: From<I::Error>,
{
    Ok(id.try_into().map_err(|error| Invalid::Id(error.into()))?)
}

fn pattern<P>(channels: P) -> Result<Pattern, PublishError>
where
    P: TryInto<Pattern>,
    ChannelError: From<P::Error>,
{
    Ok(channels.try_into().map_err(|error| Invalid::Channel(error.into()))?)
}
