//! A stream, as an application sees it.

use tidings_protocol::{ConnectionId, DeviceId, SessionId, UserId};

/// A stream, as the callbacks of a hub receive it: [`HubBuilder::on_connect`](crate::HubBuilder::on_connect) and
/// [`on_disconnect`](crate::HubBuilder::on_disconnect).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The stream's id: unguessable, and never reused.
    pub connection_id: ConnectionId,
    /// The authenticated user; `None` when anonymous.
    pub user_id: Option<UserId>,
    /// The device id that the client sent, if any.
    pub device_id: Option<DeviceId>,
    /// The tab's session id that the client sent, if any. A stream that several tabs share has none.
    pub session_id: Option<SessionId>,
}
