//! Why presence cannot be reported.

use tidings_protocol::ChannelError;

/// Why the users who are online cannot be reported. As the error of a handler it answers with a problem document
/// (RFC 9457): 400 for a text that is not a channel, 500 for a hub that was built without presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The text is not a channel or pattern.
    #[error("the channel is not valid: {0}")]
    Channel(#[from] ChannelError),
    /// The hub was built without [`presence`](crate::HubBuilder::presence).
    #[error("the hub was built without presence; call HubBuilder::presence")]
    Off,
}
