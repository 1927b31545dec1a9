//! What the commands in the log have left in force, kept beside it in the engine's [`Metadata`].
//!
//! Under each subject (a channel revoked from a user, a channel subscribed for a user, a device disconnected, …) stands the **last**
//! command about it, with its place in the log, whoever wrote it last: a write with an earlier place than what stands there changes
//! nothing. Replayed in the order of their places, the commands that are kept come to what all of them came to. So hubs, and calls
//! on one hub, may write in any order.
//!
//! A command is written here **before** it is appended, as pending: its place is not known yet. Whoever starts finds what was appended
//! and not kept, and appends it again with the same key, which tells the place.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidings_protocol::{Cursor, Key, UserId, event::Timestamp, segment};

use super::AccessState;
use crate::{
    clock::wall_clock_ms,
    engine::{Engine, EngineError, Location, Metadata, Source},
    record::{Control, Entry, Order},
};

/// Below it stands what is kept, for each user under their id as one segment.
const PREFIX: &str = "control/";
/// Where a command that takes something back must stay, so that one that was given before and is written later comes too late.
const OUTLAST_MS: u64 = 3_600_000;

/// A command as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// Where it stands in the log; `None` while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    key: Key,
    at: Timestamp,
    control: Control,
}

/// The names under which a user's commands are kept.
struct Names(String);

impl Names {
    fn of(user: &UserId) -> Self {
        Self(format!("{PREFIX}{}/", segment(user.as_str())))
    }

    fn subject(&self, order: &Order) -> String {
        let Self(user) = self;
        match order {
            Order::Revoke { channels, .. } => format!("{user}revoke/{channels}"),
            Order::Disconnect { device: Some(device), .. } => format!("{user}disconnect/{}", segment(device.as_str())),
            Order::Disconnect { device: None, .. } => format!("{user}disconnect"),
            Order::Restore { channels: Some(channels) } => format!("{user}restore/{channels}"),
            Order::Restore { channels: None } => format!("{user}restore"),
            Order::Subscribe { channels } | Order::Unsubscribe { channels } => format!("{user}subscribe/{channels}"),
        }
    }

    fn pending(&self, key: &Key) -> String {
        format!("{}pending/{}", self.0, segment(key.as_str()))
    }
}

impl Kept {
    fn bytes(&self) -> Result<Vec<u8>, EngineError> {
        serde_json::to_vec(self).map_err(|error| EngineError(error.into()))
    }

    fn read(name: &str, value: &[u8]) -> Result<Self, EngineError> {
        serde_json::from_slice(value).map_err(|error| {
            let source: Source = format!("metadata {name:?}: {error}").into();
            EngineError(source)
        })
    }

    /// By which commands are put into their order: their place in the log, where it is one of this log, and what was lost before all
    /// of that; then the clock, and in one millisecond their keys, which are UUIDs of version 7.
    fn order(&self, location: Location) -> (u64, u64, &str) {
        let is_lost = matches!(location, Location::Diverged | Location::Epoch);
        let seq = self.cursor.filter(|_| !is_lost).map_or(0, |cursor| cursor.seq);
        (seq, self.at.0, self.key.as_str())
    }

    /// Whether nothing is left of it, because it is over.
    fn is_over(&self, now: u64) -> bool {
        match self.control.order {
            Order::Revoke { until, .. } | Order::Disconnect { until, .. } => until.0 <= now,
            Order::Restore { .. } | Order::Unsubscribe { .. } => self.at.0.saturating_add(OUTLAST_MS) <= now,
            Order::Subscribe { .. } => false,
        }
    }

    /// Whether this later order leaves nothing of it.
    fn is_undone_by(&self, order: &Order) -> bool {
        match (&self.control.order, order) {
            (Order::Revoke { .. } | Order::Disconnect { .. }, Order::Restore { channels: None }) => true,
            (Order::Revoke { channels, .. }, Order::Restore { channels: Some(restored) }) => restored.covers(channels),
            (Order::Subscribe { channels }, Order::Revoke { channels: revoked, .. }) => revoked.overlaps(channels),
            _ => false,
        }
    }

    /// Whether a command that was given later takes back this one, which is pending: whoever gave it knew of this one. Of two in one
    /// millisecond the keys tell, which are UUIDs of version 7; a revocation right after a restoration must stand.
    fn is_taken_back_by(&self, later: &Self) -> bool {
        let same_user = self.control.user == later.control.user;
        let is_later = (self.at.0, self.key.as_str()) < (later.at.0, later.key.as_str());
        same_user && is_later && self.is_undone_by(&later.control.order)
    }

    /// What it becomes with an earlier one about the same subject: a revocation ends when the later of the two does.
    fn over(mut self, earlier: &Self) -> Self {
        let before = match earlier.control.order {
            Order::Revoke { until, .. } | Order::Disconnect { until, .. } => until,
            _ => return self,
        };
        if let Order::Revoke { until, .. } | Order::Disconnect { until, .. } = &mut self.control.order {
            until.0 = until.0.max(before.0);
        }
        self
    }
}

/// A command on its way into the log.
pub(crate) struct Pending {
    name: String,
    kept: Kept,
    value: Vec<u8>,
}

impl Pending {
    /// Keeps a command before it is appended.
    pub(crate) async fn keep(metadata: &dyn Metadata, entry: &Entry, control: &Control) -> Result<Self, EngineError> {
        let kept = Kept { cursor: None, key: entry.key.clone(), at: entry.timestamp, control: control.clone() };
        let name = Names::of(&control.user).pending(&kept.key);
        let value = kept.bytes()?;
        metadata.swap(&name, None, Some(value.clone())).await?;
        Ok(Self { name, kept, value })
    }

    /// Forgets a command that was refused. Where this fails, whoever starts appends it: rather too much revoked than too little.
    pub(crate) async fn forget(self, metadata: &dyn Metadata) -> Result<(), EngineError> {
        metadata.swap(&self.name, Some(&self.value), None).await?;
        Ok(())
    }

    /// Keeps a command that stands in the log at this place, and removes what it leaves nothing of.
    pub(crate) async fn confirm(self, engine: &dyn Engine, cursor: Cursor) -> Result<(), EngineError> {
        let metadata = engine.metadata();
        let kept = Kept { cursor: Some(cursor), ..self.kept };
        let own = kept.order(Location::Held);
        let names = Names::of(&kept.control.user);
        let subject = names.subject(&kept.control.order);
        loop {
            let stands = metadata.get(&subject).await?;
            let earlier = stands.as_deref().map(|value| Kept::read(&subject, value)).transpose()?;
            if let Some(stands) = &earlier {
                let locations = locate(engine, std::slice::from_ref(stands)).await?;
                if own < stands.order(locations[0]) {
                    break;
                }
            }
            let value = earlier.map_or_else(|| kept.clone(), |earlier| kept.clone().over(&earlier)).bytes()?;
            if metadata.swap(&subject, stands.as_deref(), Some(value)).await? {
                break;
            }
        }
        let listed = metadata.list(&names.0).await?;
        let others = listed.iter().map(|(name, value)| Kept::read(name, value)).collect::<Result<Vec<_>, _>>()?;
        let locations = locate(engine, &others).await?;
        for (((name, value), other), location) in listed.into_iter().zip(&others).zip(locations) {
            if other.cursor.is_none() {
                continue;
            }
            // Of whichever of the two is the earlier. Another one may have come to stand under the name meanwhile, and stays.
            if other.order(location) < own && other.is_undone_by(&kept.control.order) {
                metadata.swap(&name, Some(&value), None).await?;
            } else if own < other.order(location) && kept.is_undone_by(&other.control.order) {
                let value = metadata.get(&subject).await?;
                let is_mine = |value: &Vec<u8>| Kept::read(&subject, value).is_ok_and(|stands| stands.key == kept.key);
                if let Some(value) = value.filter(is_mine) {
                    metadata.swap(&subject, Some(&value), None).await?;
                }
            }
        }
        metadata.swap(&self.name, Some(&self.value), None).await?;
        Ok(())
    }
}

/// Where these stand in what is the log now; `Held` for those of which no place is known.
async fn locate(engine: &dyn Engine, kept: &[Kept]) -> Result<Vec<Location>, EngineError> {
    let cursors: Vec<_> = kept.iter().filter_map(|kept| kept.cursor).collect();
    let mut locations = if cursors.is_empty() { Vec::new() } else { engine.locate(&cursors).await? }.into_iter();
    let location = |kept: &Kept| kept.cursor.and_then(|_| locations.next()).unwrap_or(Location::Held);
    Ok(kept.iter().map(location).collect())
}

/// What stands beside the log, without what is over, which is removed there.
pub(crate) async fn access_state(engine: &dyn Engine) -> Result<AccessState, EngineError> {
    let now = wall_clock_ms();
    let metadata = engine.metadata();
    let (mut settled, mut pending) = (Vec::new(), Vec::new());
    for (name, value) in metadata.list(PREFIX).await? {
        let kept = Kept::read(&name, &value)?;
        if kept.is_over(now) {
            metadata.swap(&name, Some(&value), None).await?;
        } else if kept.cursor.is_none() {
            pending.push(kept);
        } else {
            settled.push(kept);
        }
    }
    let locations = locate(engine, &settled).await?;
    let mut settled: Vec<_> = settled.into_iter().zip(locations).collect();
    settled.sort_by(|(one, at), (other, there)| one.order(*at).cmp(&other.order(*there)));
    let settled: Vec<_> = settled.into_iter().map(|(kept, _)| kept).collect();
    // It is not known whether they are in the log. What takes something away counts as if they were, unless it was taken back later.
    pending.retain(|kept: &Kept| matches!(kept.control.order, Order::Revoke { .. } | Order::Disconnect { .. }));
    pending.retain(|kept| !settled.iter().any(|later| kept.is_taken_back_by(later)));
    let mut state = AccessState::default();
    for kept in settled.iter().chain(&pending) {
        state.apply(&kept.control, kept.cursor.map_or(0, |cursor| cursor.seq), kept.at.0);
    }
    Ok(state)
}

/// Finishes what was pending for longer than this, because whoever gave the command has ended, or was cancelled: it is appended again
/// with its key, and so stands in the log once, and is kept.
pub(crate) async fn finish_pending(
    engine: &dyn Engine,
    older_ms: u64,
    deadline: std::time::Duration,
) -> Result<(), Source> {
    let now = wall_clock_ms();
    let metadata = engine.metadata();
    let listed: Vec<_> = metadata.list(PREFIX).await?;
    let all: Vec<_> = listed.iter().map(|(name, value)| Kept::read(name, value)).collect::<Result<_, _>>()?;
    for ((name, value), kept) in listed.into_iter().zip(all.clone()) {
        if kept.cursor.is_some() || kept.at.0.saturating_add(older_ms) > now {
            continue;
        }
        if all.iter().any(|later| later.cursor.is_some() && kept.is_taken_back_by(later)) {
            metadata.swap(&name, Some(&value), None).await?;
            continue;
        }
        let entry = Entry::control_of(kept.key.clone(), kept.at, kept.control.clone());
        let receipts = engine.append(vec![Arc::new(entry)], deadline).await?;
        if let Some(receipt) = receipts.first() {
            Pending { name, kept, value }.confirm(engine, receipt.cursor).await?;
        }
    }
    Ok(())
}
