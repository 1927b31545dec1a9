//! Settings of presence.

use std::time::Duration;

/// How presence behaves, for [`HubBuilder::presence`](crate::HubBuilder::presence).
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
#[must_use = "give it to HubBuilder::presence"]
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
    /// How long somebody whose last stream ended still counts, so that a reload or a short loss of the network is no leave.
    /// Defaults to 10 s.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How often clients say that they are still there. A stream goes one way only: one whose reader is gone may go on
    /// taking bytes, into a proxy's memory say. After 2.5 intervals without a word its user does not count as online by it.
    /// Defaults to 30 s, and so to 75 s.
    pub fn alive(mut self, interval: Duration) -> Self {
        self.alive = interval;
        self
    }
}
