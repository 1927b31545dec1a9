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
    /// How many servers were asked who is online. It stands beside `here` where several servers share a log.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub asked: Option<usize>,
    /// How many of the servers have answered. Where it is less than `asked`, `here` may lack the members of the silent
    /// servers, and another `here` follows once all have answered.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub answered: Option<usize>,
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
        Self { here: Some(here), ..Self::moved(channel, Vec::new(), Vec::new()) }
    }

    /// A frame with the members who joined and who left.
    #[must_use]
    pub fn moved(channel: Pattern, join: Vec<Member>, leave: Vec<Member>) -> Self {
        Self { channel, here: None, asked: None, answered: None, join, leave, code: None }
    }

    /// A frame that ends the reports about a channel.
    #[must_use]
    pub fn ended(channel: Pattern, code: RejectCode) -> Self {
        Self { code: Some(code), ..Self::moved(channel, Vec::new(), Vec::new()) }
    }
}
