//! The open streams: all of them, one by its id, those of a user.

use std::{collections::BTreeSet, sync::Arc};

use tidings_protocol::{ConnectionId, DeviceId, frame::Closing};

use super::{Core, Link};
use crate::routing;

impl Core {
    /// The stream of this name.
    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Link>> {
        self.registry.lock().find(id).cloned()
    }

    /// Ends streams after one last frame, which `closing` makes for each.
    pub(crate) fn close_all(&self, mut closing: impl FnMut(&Link) -> Closing) {
        let links: Vec<_> = self.registry.lock().links.iter().map(|(_, link)| link.clone()).collect();
        for link in links {
            link.state.lock().close(closing(&link));
            link.wake();
        }
    }

    /// How many streams are open.
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

    /// The devices with which a user is online, each once, sorted.
    pub(crate) fn devices(&self, user: &str) -> Vec<DeviceId> {
        let mut devices = BTreeSet::new();
        self.of_user(user, |link| devices.extend(link.names.device.clone()));
        devices.into_iter().collect()
    }
}
