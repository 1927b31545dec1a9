//! The settings of presence.

use std::time::Duration;

/// The settings of presence, for [`HubBuilder::presence`](crate::HubBuilder::presence).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tidings::{Hub, PresenceSettings};
/// let hub = Hub::builder().presence(PresenceSettings::default().grace(Duration::from_secs(5))).build().await?;
/// assert!(hub.presence("room:7")?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "pass it to HubBuilder::presence"]
pub struct PresenceSettings {
    pub(super) grace: Duration,
    pub(super) alive: Duration,
}

impl Default for PresenceSettings {
    fn default() -> Self {
        Self { grace: Duration::from_secs(10), alive: Duration::from_secs(30) }
    }
}

impl PresenceSettings {
    /// How long a member still counts as online after its last stream ended, so that a reload or a short loss of the
    /// network does not count as leaving. Defaults to 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How often clients report that they still read their stream. A stream is one-way, so one whose client is gone may
    /// continue to be read, by a proxy for example. After 2.5 intervals without a report, the stream no longer counts
    /// for presence. Defaults to 30 s, and so to 75 s.
    pub fn alive(mut self, interval: Duration) -> Self {
        self.alive = interval;
        self
    }
}
