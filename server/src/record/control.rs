//! Orders to the hubs that read the log. They stand among the events, so that every event after an order is subject to
//! it, on every node and however late a stream gets there.

use serde::{Deserialize, Serialize};
use tidings_protocol::{DeviceId, Pattern, UserId, event::Timestamp};

/// One order about one user. No stream receives it as an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// The user whose streams it concerns.
    pub user: UserId,
    /// The order.
    pub order: Order,
}

/// What a [`Control`] orders. Credentials are older than the order if they were issued at the time of its entry or
/// before, or if that time is unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Older credentials no longer open these channels.
    Revoke {
        /// The channels; every channel that overlaps this pattern is revoked.
        channels: Pattern,
        /// Credentials older than the order have expired by this time, so the order may be forgotten then.
        until: Timestamp,
    },
    /// Older credentials no longer open anything.
    Disconnect {
        /// Only on this device; `None` means on all devices.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// As for `Revoke`.
        until: Timestamp,
    },
    /// Undoes revocations.
    Restore {
        /// Undoes the revocations of channels that this pattern covers; `None` undoes everything, disconnections
        /// included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channels: Option<Pattern>,
    },
    /// All streams of the user carry these channels from here on, later streams too.
    Subscribe {
        /// The channels.
        channels: Pattern,
    },
    /// Ends what `Subscribe` began.
    Unsubscribe {
        /// The same channels as in `Subscribe`.
        channels: Pattern,
    },
}
