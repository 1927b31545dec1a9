//! Who is online.

use std::cell::RefCell;

use serde::Deserialize;

/// A user who is online, with one device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Member {
    /// The user.
    pub user_id: String,
    /// The device; `None` where the stream declared none.
    pub device_id: Option<String>,
}

/// The users who are online on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence<'a> {
    /// Every user who is online.
    pub here: &'a [Member],
    /// The users who came since the last call; at the first call, all of them.
    pub join: &'a [Member],
    /// The users who left since the last call.
    pub leave: &'a [Member],
}

/// A frame of the stream about one channel: the whole list, or a change.
#[derive(Deserialize)]
pub(super) struct PresenceFrame {
    here: Option<Vec<Member>>,
    #[serde(default)]
    join: Vec<Member>,
    #[serde(default)]
    leave: Vec<Member>,
}

impl PresenceFrame {
    /// Updates the list of one handler. A list that is sent in full again, after a reconnect, is reported as the users
    /// who came and left meanwhile, and not at all without a difference.
    pub(super) fn apply(self, roster: &RefCell<Option<Vec<Member>>>, handler: &dyn Fn(Presence<'_>)) {
        let before = roster.borrow().clone();
        let known = before.as_deref().unwrap_or_default();
        let mut now = self.here.unwrap_or_else(|| known.to_vec());
        now.retain(|member| !self.leave.contains(member));
        for member in self.join {
            if !now.contains(&member) {
                now.push(member);
            }
        }
        let without = |all: &[Member], others: &[Member]| -> Vec<Member> {
            all.iter().filter(|member| !others.contains(member)).cloned().collect()
        };
        let (join, leave) = (without(&now, known), without(known, &now));
        roster.replace(Some(now.clone()));
        if before.is_none() || !join.is_empty() || !leave.is_empty() {
            handler(Presence { here: &now, join: &join, leave: &leave });
        }
    }
}
