//! Whether there is a place for another stream. Where there is none, the living win: streams that nobody reads give theirs away.

use std::time::Duration;

use http::request::Parts;
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
