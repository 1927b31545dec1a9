//! Who is online on this node.

use tidings_protocol::{ChannelError, DeviceId, IdError, Pattern, UserId, frame::Member};

use super::Hub;
use crate::presence::PresenceError;

impl Hub {
    /// The number of streams that a user has open on this node.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is not a user id.
    pub fn connection_count<U>(&self, user: U) -> Result<usize, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        let (user, mut count) = (user.try_into()?, 0);
        self.core().of_user(user.as_str(), |_| count += 1);
        Ok(count)
    }

    /// The devices with which a user is online on this node, each once, sorted by id.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is not a user id.
    pub fn devices_online<U>(&self, user: U) -> Result<Vec<DeviceId>, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        Ok(self.core().devices(user.try_into()?.as_str()))
    }

    /// Whether a user has a stream open on this node.
    ///
    /// # Errors
    ///
    /// [`IdError`] when the text is not a user id.
    pub fn is_online<U>(&self, user: U) -> Result<bool, IdError>
    where
        U: TryInto<UserId>,
        IdError: From<U::Error>,
    {
        Ok(self.connection_count(user)? > 0)
    }

    /// Whether a device of a user has a stream open on this node.
    ///
    /// # Errors
    ///
    /// [`IdError`] when a text is not a user id, or not a device id.
    pub fn is_device_online<U, D>(&self, user: U, device: D) -> Result<bool, IdError>
    where
        U: TryInto<UserId>,
        D: TryInto<DeviceId>,
        IdError: From<U::Error> + From<D::Error>,
    {
        let (user, device, mut online) = (user.try_into()?, device.try_into()?, false);
        self.core().of_user(user.as_str(), |link| online |= link.names.device.as_ref() == Some(&device));
        Ok(online)
    }

    /// Who is online on a channel, on this node: the users with an open stream that is subscribed to it, by device,
    /// sorted. For a pattern, the users online on any channel in it; for `*`, every user online, whatever their streams
    /// are subscribed to. A user who has just left still counts for the [grace period](crate::PresenceSettings::grace);
    /// a user whose client has been silent for too long does not count.
    ///
    /// # Errors
    ///
    /// [`PresenceError`] when the text is not a channel or pattern, or the hub was built without
    /// [`presence`](crate::HubBuilder::presence).
    pub fn presence<P>(&self, channel: P) -> Result<Vec<Member>, PresenceError>
    where
        P: TryInto<Pattern>,
        ChannelError: From<P::Error>,
    {
        let channel = channel.try_into().map_err(ChannelError::from)?;
        Ok(self.core().presence().ok_or(PresenceError::Off)?.here(&channel))
    }
}
