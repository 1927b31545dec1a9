//! Which devices come and go. The hub knows who is online at any moment; this asks it often enough for a list of devices,
//! and only about users who have a stream open or had one a moment ago.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tidings::{DeviceId, Hub, UserId};
use tokio::time::{Instant, MissedTickBehavior};

use crate::{db::Db, devices::tell_presence};

const INTERVAL: Duration = Duration::from_millis(500);
/// A user is watched from before the stream opens, so finding nobody online must not end it at once.
const GRACE: Duration = Duration::from_secs(60);

/// The users to look at; clones share them.
#[derive(Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<HashMap<UserId, Watched>>>);

struct Watched {
    online: BTreeSet<DeviceId>,
    since: Instant,
}

impl Watch {
    /// Begins to look, for as long as the runtime runs.
    pub(crate) fn start(hub: &Hub, db: &Db) -> Self {
        let watch = Self::default();
        tokio::spawn(watch.clone().run(hub.clone(), db.clone()));
        watch
    }

    /// Somebody is about to open a stream.
    pub(crate) fn user(&self, user: &UserId) {
        let mut users = self.0.lock();
        let watched =
            users.entry(user.clone()).or_insert_with(|| Watched { online: BTreeSet::new(), since: Instant::now() });
        watched.since = Instant::now();
    }

    async fn run(self, hub: Hub, db: Db) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            for (user, device) in self.changes(&hub) {
                if let Err(error) = tell_presence(&db, &hub, &user, &device).await {
                    tracing::warn!(?error, "a device's coming or going was not told");
                }
            }
        }
    }

    /// Who came or left since the last look.
    fn changes(&self, hub: &Hub) -> Vec<(UserId, DeviceId)> {
        let mut changes = Vec::new();
        self.0.lock().retain(|user, watched| {
            let now: BTreeSet<_> = hub.devices_online(user.as_str()).into_iter().collect();
            changes.extend(watched.online.symmetric_difference(&now).map(|device| (user.clone(), device.clone())));
            watched.online = now;
            !watched.online.is_empty() || watched.since.elapsed() < GRACE
        });
        changes
    }
}
