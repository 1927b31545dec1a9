//! Whose credentials are judged.

use tidings_protocol::{DeviceId, UserId};

/// When credentials were issued, in milliseconds since 1970; `None` where nobody says, which is before everything.
pub(crate) type Issued = Option<u64>;

/// Whose credentials are judged, and how old they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    pub(crate) user: Option<&'a UserId>,
    /// The device that they are used on, where it is known.
    pub(crate) device: Option<&'a DeviceId>,
    pub(crate) issued: Issued,
}
