//! One stream, as an application sees it.

use tidings_protocol::{ConnectionId, DeviceId, SessionId, UserId};

/// One stream, as the hooks of a hub see it: [`HubBuilder::on_connect`](crate::HubBuilder::on_connect) and
/// [`on_disconnect`](crate::HubBuilder::on_disconnect).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its name: unguessable, and never used twice.
    pub connection_id: ConnectionId,
    /// Whose it is; `None` when anonymous.
    pub user_id: Option<UserId>,
    /// The device that the client names, if it does.
    pub device_id: Option<DeviceId>,
    /// The tab that the client names, if it does; a stream that several tabs share has none.
    pub session_id: Option<SessionId>,
}
