//! Who is online: the frame that tells it, and whom it names.

use super::RejectCode;
use crate::{DeviceId, Pattern, UserId};

/// Somebody who is online: a user, by one device.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// By which device; `null` for streams that declare none.
    pub device_id: Option<DeviceId>,
}

/// Who is online on a channel, or who came and left since the last frame about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "camelCase"))]
pub struct Presence {
    /// The channel or pattern that was asked about.
    pub channel: Pattern,
    /// All who are there: takes the place of what was known.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub here: Option<Vec<Member>>,
    /// Who came.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub join: Vec<Member>,
    /// Who left.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub leave: Vec<Member>,
    /// Nothing more is told about this channel, for this reason.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub code: Option<RejectCode>,
}

impl Presence {
    /// The SSE event name.
    pub const NAME: &'static str = "presence";

    /// All who are there.
    #[must_use]
    pub fn here(channel: Pattern, here: Vec<Member>) -> Self {
        Self { channel, here: Some(here), join: Vec::new(), leave: Vec::new(), code: None }
    }

    /// Who came and who left.
    #[must_use]
    pub fn moved(channel: Pattern, join: Vec<Member>, leave: Vec<Member>) -> Self {
        Self { channel, here: None, join, leave, code: None }
    }

    /// Nothing more is told.
    #[must_use]
    pub fn ended(channel: Pattern, code: RejectCode) -> Self {
        Self { channel, here: None, join: Vec::new(), leave: Vec::new(), code: Some(code) }
    }
}
