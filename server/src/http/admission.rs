//! Admission of new streams. At a limit, streams that a client reads win: streams that nobody reads are ended to make
//! room.

use std::time::Duration;

use http::request::Parts;
use tidings_protocol::{DeviceId, problem::Code};

use super::{gate::Gate, problem::Refusal};
use crate::{
    auth::Identity,
    connection_limits::{Full, Permit, Scope},
};

/// The `Retry-After` of a refused stream.
const FULL_RETRY: Duration = Duration::from_secs(10);
/// How many streams are challenged at once. Plain `EventSource` clients cannot answer a challenge, so at most this many
/// of their streams are lost for one new stream.
const AT_ONCE: usize = 8;
impl Gate {
    /// A permit for a new stream of this identity, on this device.
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
        // At the limit of all streams, nobody's streams are challenged for another user's sake.
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

    /// Whether there is room for a stream, without challenging any stream.
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
