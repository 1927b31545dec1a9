//! Commands about a user's streams. A command goes into the log like an event; its lasting effect is kept beside the
//! log, so that it outlasts the log.

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
    /// Revokes a user's access to channels. Every stream of the user, on every node, that receives something of
    /// `channels` is sent `revoked`, and **no event published after this call returned reaches it on these channels**,
    /// even if the stream lags behind or resumes later. A subscribed pattern that overlaps `channels` is revoked as a
    /// whole. Events addressed to the user are not on channels and continue; [`disconnect`](Self::disconnect) ends
    /// those too.
    ///
    /// Credentials issued before this call are refused these channels from now on, also for publishing over HTTP and
    /// for watching presence. That holds across restarts for 24 hours, or the
    /// [`revocation_life`](crate::HubBuilder::revocation_life) that was set; **then the revocation is forgotten**, so
    /// credentials must not live longer. [`Identity::issued_at`](crate::auth::Identity::issued_at), or the claim `iat`
    /// of a token, says when credentials were issued. Credentials without that time count as issued before, for as long
    /// as the revocation lasts, unless [`restore`](Self::restore) is called. Remove the user's grant first: newer
    /// credentials open whatever they grant, and older ones do so again afterwards.
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

    /// Ends every stream of a user with `closing {reason: revoked}`, and refuses everything to credentials issued
    /// before (401 `credentialsRevoked`), for as long as [`revoke`](Self::revoke) does for channels. No event published
    /// after this call returned reaches the user before the user comes with newer credentials.
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

    /// Like [`disconnect`](Self::disconnect), on one device only. The client itself names its device, so this ends a
    /// forgotten tab, and does not keep out anyone who sends another device id.
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

    /// Undoes everything that was revoked from a user, disconnections included: credentials issued before are accepted
    /// again. An open stream does not regain its lost channels by itself; the client asks for them again with its next
    /// stream and with fresh credentials.
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

    /// Undoes what [`revoke`](Self::revoke) revoked from a user, as far as `channels` covers it.
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

    /// Subscribes a user to channels from the server's side, whatever the grants say. All streams of the user carry the
    /// channels, whether the client asked for them or not: open streams from this position in the log on, and later
    /// streams too, across restarts, until [`unsubscribe`](Self::unsubscribe) or until the channels are
    /// [revoked](Self::revoke). The streams receive `subscribed` with the request id `server`.
    ///
    /// As long as the subscription stands it also acts as a grant for credentials of any age: a client may subscribe to
    /// the channels it covers, also with `since`. The browser client retries handlers that were refused before by
    /// itself.
    ///
    /// # Errors
    ///
    /// As [`revoke`](Self::revoke), and [`Invalid::TooManyChannels`] where the user already has as many channels as a
    /// stream may carry.
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

    /// Ends what [`subscribe`](Self::subscribe) began with the same channels. Streams receive `revoked` with the
    /// channels that they lose: these channels, and channels that the client asked for, unless a grant or another
    /// server-side subscription covers them.
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
                // Only an order whose outcome is unknown may still come; the caller takes any other for not given.
                if !matches!(error, PublishError::Unknown(_)) {
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
