//! Commands to the hubs that read the log. They stand among the events, so that what comes after one obeys it, on every
//! node and however late a stream gets there.

use serde::{Deserialize, Serialize};
use tidings_protocol::{DeviceId, Pattern, UserId, event::Timestamp};

/// One command, about one user. Nobody hears it as an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// Whose streams it is about.
    pub user: UserId,
    /// What becomes of them.
    pub order: Order,
}

/// What a [`Control`] says. Credentials are older than it if they were issued at the time of its entry or before, or if
/// nobody says when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    /// Older credentials no longer open these channels.
    Revoke {
        /// All channels that overlap it.
        channels: Pattern,
        /// No older credentials are good after this time, so that it may be forgotten.
        until: Timestamp,
    },
    /// Older credentials no longer open anything.
    Disconnect {
        /// On this device only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        device: Option<DeviceId>,
        /// As for `Revoke`.
        until: Timestamp,
    },
    /// Forgets what was revoked.
    Restore {
        /// The revoked channels that it covers; without, all that was revoked, disconnections included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        channels: Option<Pattern>,
    },
    /// All streams hear these channels from here on, those to come too.
    Subscribe {
        /// Which.
        channels: Pattern,
    },
    /// Ends what `Subscribe` began.
    Unsubscribe {
        /// The very same.
        channels: Pattern,
    },
}
