//! Why nobody can be told who is online.

use tidings_protocol::ChannelError;

/// Why nobody can be told who is online. As the error of a handler it answers with a problem document (RFC 9457): 400 where the caller
/// sent what is no channel, 500 where the program has no presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PresenceError {
    /// The text is no channel or pattern.
    #[error("not a channel: {0}")]
    Channel(#[from] ChannelError),
    /// The hub was built without [`presence`](crate::HubBuilder::presence).
    #[error("the hub was built without presence")]
    Off,
}
