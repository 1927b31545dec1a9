//! Which devices are online, as the hub's presence says it: a reload is no leave, and a laptop that was shut is away after a
//! while though nobody said so. Each change is kept as "last seen" and told to the user's other devices.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::StreamExt;
use parking_lot::Mutex;
use tidings::{Member, PresenceChange, PresenceError};

use crate::{App, devices::tell_presence};

/// The devices that are online; clones are one list. It says what the events say, so that nobody who loads the list of
/// devices and then hears events is left with anything else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Online(Arc<Mutex<BTreeSet<Member>>>);

impl Online {
    /// Whether a device is online.
    pub(crate) fn has(&self, member: &Member) -> bool {
        self.0.lock().contains(member)
    }

    /// Takes a change in; those who came or left by it.
    fn take(&self, change: PresenceChange) -> Vec<Member> {
        let mut online = self.0.lock();
        let mut now = online.clone();
        match change {
            PresenceChange::Here(here) => now = here.into_iter().collect(),
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

/// Follows who is online, for as long as the hub is there.
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
