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
    /// How many servers were asked who is online: those that share the log.
    pub asked: u32,
    /// How many of them have answered. While it is less than `asked`, more users may be online than `here` lists.
    pub answered: u32,
}

/// A frame of the stream about one channel: the whole list, or a change.
#[derive(Deserialize)]
pub(super) struct PresenceFrame {
    here: Option<Vec<Member>>,
    #[serde(default)]
    join: Vec<Member>,
    #[serde(default)]
    leave: Vec<Member>,
    /// Absent where the server has the log to itself.
    asked: Option<u32>,
    answered: Option<u32>,
}

/// The list of one handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roster {
    members: Vec<Member>,
    asked: u32,
    answered: u32,
}

impl PresenceFrame {
    /// Updates the list of one handler. A list that is sent in full again, after a reconnect or because other servers
    /// answer than before, is reported as the users who came and left meanwhile, and not at all without a difference.
    pub(super) fn apply(self, roster: &RefCell<Option<Roster>>, handler: &dyn Fn(Presence<'_>)) {
        let before = roster.borrow().clone();
        // Where the channel was watched before the handler was made, changes may come before the handler's own list.
        if before.is_none() && self.here.is_none() {
            return;
        }
        let known = before.as_ref().map(|before| &before.members[..]).unwrap_or_default();
        let (asked, answered) = match &before {
            Some(before) if self.here.is_none() => (before.asked, before.answered),
            _ => (self.asked.unwrap_or(1), self.answered.unwrap_or(1)),
        };
        let mut members = self.here.unwrap_or_else(|| known.to_vec());
        members.retain(|member| !self.leave.contains(member));
        for member in self.join {
            if !members.contains(&member) {
                members.push(member);
            }
        }
        let without = |all: &[Member], others: &[Member]| -> Vec<Member> {
            all.iter().filter(|member| !others.contains(member)).cloned().collect()
        };
        let (join, leave) = (without(&members, known), without(known, &members));
        roster.replace(Some(Roster { members: members.clone(), asked, answered }));
        let counts = before.as_ref().map(|before| (before.asked, before.answered));
        if counts != Some((asked, answered)) || !join.is_empty() || !leave.is_empty() {
            handler(Presence { here: &members, join: &join, leave: &leave, asked, answered });
        }
    }
}
