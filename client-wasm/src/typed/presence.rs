//! Who is online.

use std::cell::RefCell;

use serde::Deserialize;

/// Somebody who is online: a user, by one device.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Member {
    /// Who.
    pub user_id: String,
    /// By which device; `None` where the stream declared none.
    pub device_id: Option<String>,
}

/// Who is online on a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Presence<'a> {
    /// Everyone who is there.
    pub here: &'a [Member],
    /// Who came since the last call; at the first one, everyone.
    pub join: &'a [Member],
    /// Who left since the last call.
    pub leave: &'a [Member],
}

/// What the stream says of one channel: all who are there, or a change.
#[derive(Deserialize)]
pub(super) struct PresenceFrame {
    here: Option<Vec<Member>>,
    #[serde(default)]
    join: Vec<Member>,
    #[serde(default)]
    leave: Vec<Member>,
}

impl PresenceFrame {
    /// Brings the list of one handler up to date. A list that comes anew, after a reconnect, is reported as who came and left meanwhile,
    /// and not at all if nobody did.
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
