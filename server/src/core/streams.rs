//! Queries on the open streams: all of them, one by its id, those of a user.

use std::{collections::BTreeSet, sync::Arc};

use tidings_protocol::{ConnectionId, DeviceId, frame::Closing};

use super::{Core, Link};
use crate::routing;

impl Core {
    /// The stream with this id.
    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Link>> {
        self.registry.lock().find(id).cloned()
    }

    /// Ends all streams. `closing` makes the last frame of each.
    pub(crate) fn close_all(&self, mut closing: impl FnMut(&Link) -> Closing) {
        let links: Vec<_> = self.registry.lock().links.iter().map(|(_, link)| link.clone()).collect();
        for link in links {
            link.state.lock().close(closing(&link));
            link.wake();
        }
    }

    /// The number of open streams.
    pub(crate) fn connections(&self) -> usize {
        self.registry.lock().links.len()
    }

    /// Calls `each` with every stream of a user.
    pub(crate) fn of_user(&self, user: &str, mut each: impl FnMut(&Link)) {
        let registry = self.registry.lock();
        if let Some(slots) = registry.routes.get((routing::Kind::User, user)) {
            slots.for_each(|slot| each(&registry.links[slot]));
        }
    }

    /// The devices with which a user is online, each once, sorted by id.
    pub(crate) fn devices(&self, user: &str) -> Vec<DeviceId> {
        let mut devices = BTreeSet::new();
        self.of_user(user, |link| devices.extend(link.names.device.clone()));
        devices.into_iter().collect()
    }
}
