//! Whether there is a place for another stream. Where there is none, the living win: streams that nobody reads give theirs away.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::request::Parts;
use parking_lot::Mutex;
use tidings_protocol::{DeviceId, problem::Code};

use super::{gate::Gate, problem::Refusal};
use crate::{
    auth::Identity,
    connection_limits::{Full, Permit, Scope},
};

/// How long to wait for somebody else to leave.
const FULL_RETRY: Duration = Duration::from_secs(10);
/// So many streams are asked at once: those of clients that cannot answer, as plain `EventSource`s, lose no more than these for one that
/// comes.
const AT_ONCE: usize = 8;
/// So many may wait for a place; the others are refused at once.
const MOST_WAITING: usize = 16;

/// Who waits for a place, by where there is none. One of them asks at a time.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<Scope, Turn>>>);

#[derive(Debug, Default)]
struct Turn {
    waiting: usize,
    asking: Arc<tokio::sync::Mutex<()>>,
}

/// One who waits, until dropped.
struct Waiting {
    turns: Arc<Mutex<HashMap<Scope, Turn>>>,
    scope: Scope,
}

impl Turns {
    fn wait(&self, scope: &Scope) -> Option<(Waiting, Arc<tokio::sync::Mutex<()>>)> {
        let mut turns = self.0.lock();
        let turn = turns.entry(scope.clone()).or_default();
        if turn.waiting == MOST_WAITING {
            return None;
        }
        turn.waiting += 1;
        Some((Waiting { turns: self.0.clone(), scope: scope.clone() }, turn.asking.clone()))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        if let Some(turn) = turns.get_mut(&self.scope) {
            turn.waiting -= 1;
            if turn.waiting == 0 {
                turns.remove(&self.scope);
            }
        }
    }
}

impl Gate {
    /// A place for a stream of somebody, on this device.
    pub(super) async fn admit(
        &self,
        identity: &Identity,
        device: Option<&DeviceId>,
        parts: &Parts,
    ) -> Result<Permit, Refusal> {
        let holder = self.limiter.holder(identity, device, parts);
        let admit = || self.limiter.connections.admit(holder.clone());
        let Full(scope) = match admit() {
            Ok(permit) => return Ok(permit),
            Err(full) => full,
        };
        // Of all streams, those of others are not asked: who is in is in.
        if scope == Scope::All {
            return Err(full(&scope));
        }
        let Some((_waiting, asking)) = self.limiter.turns.wait(&scope) else { return Err(full(&scope)) };
        let _turn = asking.lock().await;
        loop {
            let Full(scope) = match admit() {
                Ok(permit) => return Ok(permit),
                Err(Full(Scope::All)) => return Err(full(&Scope::All)),
                Err(full) => full,
            };
            let unheard = self.hub.core().unheard(&scope, self.hub.now_ms(), AT_ONCE);
            if unheard.is_empty() {
                return Err(full(&scope));
            }
            self.hub.challenge(&unheard, self.limiter.limits().challenge_timeout).await;
        }
    }

    /// Whether there is a place, as far as is known without asking anybody.
    pub(super) fn has_room(
        &self,
        identity: &Identity,
        device: Option<&DeviceId>,
        parts: &Parts,
    ) -> Result<(), Refusal> {
        let holder = self.limiter.holder(identity, device, parts);
        self.limiter.connections.has_room(&holder).map_err(|Full(scope)| full(&scope))
    }
}

fn full(scope: &Scope) -> Refusal {
    match scope {
        Scope::User(_) => Refusal::new(Code::TooManyConnections, "of this user"),
        Scope::Device(..) => Refusal::new(Code::TooManyConnections, "of this device"),
        Scope::Address(_) => Refusal::new(Code::TooManyConnections, "from this address"),
        Scope::All => Refusal::from(Code::Full),
    }
    .retry_after(FULL_RETRY)
}
