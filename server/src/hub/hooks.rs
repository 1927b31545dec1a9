//! What an application wants called when streams come and go.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tidings_protocol::{ConnectionId, DeviceId, SessionId, UserId};

use super::Hub;
use crate::core::Link;

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

/// A function that is called with each stream.
pub(crate) type Hook = Arc<dyn Fn(&Hub, &ConnectionInfo) + Send + Sync>;

impl Hub {
    /// Calls a hook. It may do anything with the hub, for no lock is held; and a panic in it ends no stream.
    pub(super) fn call(&self, hook: Option<&Hook>, link: &Link) {
        let Some(hook) = hook.filter(|_| link.has_hooks) else { return };
        let info = ConnectionInfo {
            connection_id: link.id.clone(),
            user_id: link.names.user.clone(),
            device_id: link.names.device.clone(),
            session_id: link.names.session.clone(),
        };
        if catch_unwind(AssertUnwindSafe(|| hook(self, &info))).is_err() {
            tracing::error!(connection = %link.id, "a connect or disconnect hook panicked");
        }
    }
}
