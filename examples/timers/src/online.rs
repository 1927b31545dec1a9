//! Which devices are online, by the hub's presence: a reload does not count as leaving, and a laptop that was closed
//! counts as away after a while. Each change is stored as "last seen" and published to the user's other devices.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tidings::{Member, PresenceChange, PresenceError};

use crate::{App, devices::tell_presence};

/// The devices that are online; clones share one list. It changes together with the events, so that a client that loads
/// the list and then receives events ends up with the same devices.
#[derive(Debug, Clone, Default)]
pub(crate) struct Online(Arc<Mutex<BTreeSet<Member>>>);

impl Online {
    /// Whether a device is online.
    pub(crate) fn has(&self, member: &Member) -> bool {
        self.0.lock().contains(member)
    }

    /// Applies a change. Returns the members that joined or left by it.
    fn take(&self, change: PresenceChange) -> Vec<Member> {
        let mut online = self.0.lock();
        let mut now = online.clone();
        match change {
            PresenceChange::Here(here) if here.answered == here.asked => now = here.value.into_iter().collect(),
            // A user at a hub that does not answer is counted neither as present nor as gone.
            PresenceChange::Here(here) => now.extend(here.value),
            PresenceChange::Moved { join, leave } => {
                now.extend(join);
                leave.iter().for_each(|member| _ = now.remove(member));
            }
        }
        let changed = online.symmetric_difference(&now).cloned().collect();
        *online = now;
        changed
    }
}

/// Follows presence for as long as the hub runs.
pub(crate) fn follow(app: App) -> Result<(), PresenceError> {
    let mut watch = app.hub.watch_presence("*")?;
    tokio::spawn(async move {
        while let Some(change) = watch.next().await {
            for member in app.online.take(change) {
                if let Err(error) = tell_presence(&app, &member).await {
                    tracing::warn!(?error, "a device's coming or going was not told");
                }
            }
        }
    });
    Ok(())
}
