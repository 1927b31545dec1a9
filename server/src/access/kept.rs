//! The lasting effect of the orders in the log, kept beside the log in the engine's [`Metadata`].
//!
//! Under each subject (a channel revoked from a user, a channel subscribed for a user, a device disconnected, …) the
//! **last** order about it is kept, with its position in the log. A write with an earlier position than the stored one
//! changes nothing, so hubs, and calls on one hub, may write in any order. The kept orders, replayed by position, have
//! the same effect as all orders had.
//!
//! An order is kept **before** it is appended, as pending, because its position is not known yet. A hub that starts
//! finds orders that were kept as pending and not confirmed, and appends them again with the same key; the log then
//! tells their positions.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidings_protocol::{Cursor, Key, UserId, event::Timestamp, segment};

use super::AccessState;
use crate::{
    clock::wall_clock_ms,
    engine::{Engine, EngineError, Location, Metadata, Source},
    record::{Control, Entry, Order},
};

/// The prefix of the keys; each user's orders are below it, under the user's id as one segment.
const PREFIX: &str = "control/";
/// How long an order that undoes others is kept, so that an earlier order that is written later still finds it.
const OUTLAST_MS: u64 = 3_600_000;

/// An order as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// The position in the log; `None` while it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cursor: Option<Cursor>,
    key: Key,
    at: Timestamp,
    control: Control,
}

/// The keys under which a user's orders are kept.
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

    /// The sort key of orders: the position in the log, where it is one of this log, and orders that the log lost
    /// before all others; then the clock; and within one millisecond the keys, which are UUIDs of version 7.
    fn order(&self, location: Location) -> (u64, u64, &str) {
        let is_lost = matches!(location, Location::Diverged | Location::Epoch);
        let seq = self.cursor.filter(|_| !is_lost).map_or(0, |cursor| cursor.seq);
        (seq, self.at.0, self.key.as_str())
    }

    /// Whether the order has expired.
    fn is_over(&self, now: u64) -> bool {
        match self.control.order {
            Order::Revoke { until, .. } | Order::Disconnect { until, .. } => until.0 <= now,
            Order::Restore { .. } | Order::Unsubscribe { .. } => self.at.0.saturating_add(OUTLAST_MS) <= now,
            Order::Subscribe { .. } => false,
        }
    }

    /// Whether this later order undoes it completely.
    fn is_undone_by(&self, order: &Order) -> bool {
        match (&self.control.order, order) {
            (Order::Revoke { .. } | Order::Disconnect { .. }, Order::Restore { channels: None }) => true,
            (Order::Revoke { channels, .. }, Order::Restore { channels: Some(restored) }) => restored.covers(channels),
            (Order::Subscribe { channels }, Order::Revoke { channels: revoked, .. }) => revoked.overlaps(channels),
            _ => false,
        }
    }

    /// Whether a later order undoes this pending one: the caller of the later one knew of this one. Within one
    /// millisecond the keys decide, which are UUIDs of version 7, because a revocation right after a restoration must
    /// stand.
    fn is_taken_back_by(&self, later: &Self) -> bool {
        let same_user = self.control.user == later.control.user;
        let is_later = (self.at.0, self.key.as_str()) < (later.at.0, later.key.as_str());
        same_user && is_later && self.is_undone_by(&later.control.order)
    }

    /// This order merged with an earlier one about the same subject: a revocation ends when the later of the two does.
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

/// An order on its way into the log.
pub(crate) struct Pending {
    name: String,
    kept: Kept,
    value: Vec<u8>,
}

impl Pending {
    /// Keeps an order before it is appended.
    pub(crate) async fn keep(metadata: &dyn Metadata, entry: &Entry, control: &Control) -> Result<Self, EngineError> {
        let kept = Kept { cursor: None, key: entry.key.clone(), at: entry.timestamp, control: control.clone() };
        let name = Names::of(&control.user).pending(&kept.key);
        let value = kept.bytes()?;
        metadata.swap(&name, None, Some(value.clone())).await?;
        Ok(Self { name, kept, value })
    }

    /// Removes an order that the engine refused. If that fails, a hub that starts appends the order: revoking too much
    /// is safer than too little.
    pub(crate) async fn forget(self, metadata: &dyn Metadata) -> Result<(), EngineError> {
        metadata.swap(&self.name, Some(&self.value), None).await?;
        Ok(())
    }

    /// Keeps an order that stands in the log at this position, and removes the orders that it undoes.
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
            // The earlier of the two is removed. If another order was stored under the name meanwhile, that one stays.
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

/// Where these orders stand in the present log; `Held` for orders without a known position.
async fn locate(engine: &dyn Engine, kept: &[Kept]) -> Result<Vec<Location>, EngineError> {
    let cursors: Vec<_> = kept.iter().filter_map(|kept| kept.cursor).collect();
    let mut locations = if cursors.is_empty() { Vec::new() } else { engine.locate(&cursors).await? }.into_iter();
    let location = |kept: &Kept| kept.cursor.and_then(|_| locations.next()).unwrap_or(Location::Held);
    Ok(kept.iter().map(location).collect())
}

/// The access state that is kept beside the log. Expired orders are removed there and left out.
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
    // It is unknown whether pending orders are in the log. A pending revocation or disconnection counts as if it were,
    // unless a later order undid it.
    pending.retain(|kept: &Kept| matches!(kept.control.order, Order::Revoke { .. } | Order::Disconnect { .. }));
    pending.retain(|kept| !settled.iter().any(|later| kept.is_taken_back_by(later)));
    let mut state = AccessState::default();
    for kept in settled.iter().chain(&pending) {
        state.apply(&kept.control, kept.cursor.map_or(0, |cursor| cursor.seq), kept.at.0);
    }
    Ok(state)
}

/// Finishes orders that were pending for longer than this, because the hub or the call that gave them ended: appends
/// each again with its key, so that it is in the log once, and keeps it.
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
