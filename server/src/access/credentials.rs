//! The facts about credentials that access depends on.

use tidings_protocol::{DeviceId, UserId};

/// When credentials were issued, in milliseconds since 1970. `None` is unknown and counts as before everything.
pub(crate) type Issued = Option<u64>;

/// The user and device of a caller, and when the credentials were issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    pub(crate) user: Option<&'a UserId>,
    /// The device that the credentials are used on, where it is known.
    pub(crate) device: Option<&'a DeviceId>,
    pub(crate) issued: Issued,
}
