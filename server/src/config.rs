//! A hub's settings and their defaults.

use std::time::Duration;

use crate::presence::PresenceSettings;

/// The settings of a hub, with the documented defaults. [`HubBuilder`](crate::HubBuilder) sets them.
#[derive(Clone)]
pub(crate) struct Config {
    pub(crate) heartbeat: Duration,
    pub(crate) retry: Duration,
    pub(crate) stall: Duration,
    pub(crate) payload_bytes: usize,
    pub(crate) batch_events: usize,
    pub(crate) audience_users: usize,
    pub(crate) channels_per_connection: usize,
    pub(crate) window_records: usize,
    pub(crate) window_bytes: usize,
    pub(crate) window_age: Duration,
    pub(crate) publish_deadline: Duration,
    pub(crate) presence: Option<PresenceSettings>,
    pub(crate) revocation_life: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_secs(1),
            stall: Duration::from_secs(60),
            payload_bytes: 64 << 10,
            batch_events: 1_000,
            audience_users: 10_000,
            channels_per_connection: 100,
            window_records: 100_000,
            window_bytes: 64 << 20,
            window_age: Duration::from_secs(600),
            publish_deadline: Duration::from_secs(15),
            presence: None,
            revocation_life: Duration::from_secs(24 * 3_600),
        }
    }
}
