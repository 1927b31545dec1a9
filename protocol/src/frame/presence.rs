//! Presence: the frame that reports who is online, and its members.

use super::RejectCode;
use crate::{DeviceId, Pattern, UserId};

/// A member that is online: a user on one device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Member {
    /// The user.
    pub user_id: UserId,
    /// The device; `null` for streams that declare none.
    pub device_id: Option<DeviceId>,
}

/// Who is online on a channel, or who joined and left since the last frame about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Presence {
    /// The channel or pattern that is watched.
    pub channel: Pattern,
    /// All members that are online; it replaces what was known before.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub here: Option<Vec<Member>>,
    /// The members who joined.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub join: Vec<Member>,
    /// The members who left.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub leave: Vec<Member>,
    /// Why nothing more is reported about this channel.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub code: Option<RejectCode>,
}

impl Presence {
    /// The SSE event name.
    pub const NAME: &'static str = "presence";

    /// A frame with all members that are online.
    #[must_use]
    pub fn here(channel: Pattern, here: Vec<Member>) -> Self {
        Self { channel, here: Some(here), join: Vec::new(), leave: Vec::new(), code: None }
    }

    /// A frame with the members who joined and who left.
    #[must_use]
    pub fn moved(channel: Pattern, join: Vec<Member>, leave: Vec<Member>) -> Self {
        Self { channel, here: None, join, leave, code: None }
    }

    /// A frame that ends the reports about a channel.
    #[must_use]
    pub fn ended(channel: Pattern, code: RejectCode) -> Self {
        Self { channel, here: None, join: Vec::new(), leave: Vec::new(), code: Some(code) }
    }
}
