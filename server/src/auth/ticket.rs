//! One-time tickets: a ticket lives for 30 seconds and opens one stream. They are for clients that can set no header,
//! such as `EventSource`: a ticket that ends up in a proxy's log is worthless by then.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    str::FromStr,
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tidings_protocol::{DeviceId, UserId};
use tokio::time::Instant;

use super::{AuthError, Identity};

/// How long a ticket is valid.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

/// The name by which a store finds a ticket. It is not secret: an attacker who knows it still has to guess the ticket's 128
/// secret bits, at the first try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TicketName {
    /// The node that minted the ticket; connection ids begin with the same number. Where the store is not shared, that
    /// node is asked for the ticket.
    pub node: u32,
    /// The ticket's random number on that node.
    pub id: u64,
}

/// The stored part of a ticket: its secret, and the identity that it stands for. `Debug` does not show the secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldTicket {
    secret: u128,
    identity: Identity,
    device: Option<DeviceId>,
}

impl HeldTicket {
    /// The identity that the ticket stands for.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl fmt::Debug for HeldTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldTicket").field("user", &self.identity.user_id()).finish_non_exhaustive()
    }
}

/// Why a ticket was not stored or not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// The store has no ticket of this name, or no longer: 401 `credentialsInvalid`.
    #[error("there is no such ticket; request a new one")]
    Unknown,
    /// The ticket has expired: 401 `credentialsExpired`.
    #[error("the ticket has expired; request a new one")]
    Expired,
    /// The user, or all users together, have too many unused tickets: 429 `tooManyRequests`.
    #[error("too many tickets are unused; use or wait for one to expire")]
    TooMany,
    /// The store cannot be reached: 503 `unavailable`.
    #[error("the ticket store is not available now; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A store for unused tickets. [`MemoryTickets`] is the store of one process.
#[async_trait]
pub trait TicketStore: Send + Sync + 'static {
    /// Stores a ticket until it is taken, for at most this long.
    async fn keep(&self, name: TicketName, ticket: HeldTicket, lifetime: Duration) -> Result<(), TicketError>;

    /// Removes a ticket and returns it. Of any number of calls with one name, exactly one succeeds; this makes a ticket
    /// single-use.
    async fn take(&self, name: TicketName) -> Result<HeldTicket, TicketError>;
}

/// A ticket as its owner holds it.
pub(crate) struct Ticket {
    pub(crate) name: TicketName,
    secret: u128,
}

impl Ticket {
    /// A new ticket, and the part of it that is stored.
    pub(crate) fn mint(node: u32, identity: Identity, device: Option<DeviceId>) -> (Self, HeldTicket) {
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random).expect("the system's random source");
        let (id, secret) = random.split_at(8);
        let id = id.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
        let secret = secret.iter().fold(0, |secret, byte| secret << 8 | u128::from(*byte));
        (Self { name: TicketName { node, id }, secret }, HeldTicket { secret, identity, device })
    }

    /// The identity that the ticket stands for, on this device, after it was taken from the store.
    pub(crate) fn redeem(&self, held: HeldTicket, device: Option<&DeviceId>) -> Result<Identity, AuthError> {
        let is_it = self.secret.to_be_bytes().ct_eq(&held.secret.to_be_bytes());
        if bool::from(is_it) && held.device.as_ref() == device { Ok(held.identity) } else { Err(AuthError::Invalid) }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}.{:016x}.{:032x}", self.name.node, self.name.id, self.secret)
    }
}

impl FromStr for Ticket {
    type Err = AuthError;

    fn from_str(text: &str) -> Result<Self, AuthError> {
        let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut parts = text.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(node), Some(id), Some(secret), None) if digits(node, 8) && digits(id, 16) && digits(secret, 32) => {
                let malformed = |_| AuthError::Malformed;
                let node = u32::from_str_radix(node, 16).map_err(malformed)?;
                let id = u64::from_str_radix(id, 16).map_err(malformed)?;
                let secret = u128::from_str_radix(secret, 16).map_err(malformed)?;
                Ok(Self { name: TicketName { node, id }, secret })
            }
            _ => Err(AuthError::Malformed),
        }
    }
}

impl From<TicketError> for AuthError {
    fn from(error: TicketError) -> Self {
        match error {
            TicketError::Unknown => Self::Invalid,
            TicketError::Expired => Self::Expired,
            error => Self::Unavailable(error.into()),
        }
    }
}

/// The tickets of one process. A user may hold at most 32 unused tickets; all users together may hold 100,000, of which
/// at most half are anonymous.
#[derive(Debug, Default)]
pub struct MemoryTickets {
    state: Mutex<Tickets>,
}

/// The most unused tickets of one user.
const PER_USER: usize = 32;
/// The most unused tickets of all.
const CAPACITY: usize = 100_000;

#[derive(Debug, Default)]
struct Tickets {
    held: HashMap<TicketName, (Instant, HeldTicket)>,
    /// The tickets in the order in which they were stored, including those already taken.
    kept: VecDeque<(Instant, TicketName)>,
    of_user: HashMap<Option<UserId>, usize>,
}

impl Tickets {
    fn remove(&mut self, name: TicketName) -> Option<(Instant, HeldTicket)> {
        let (expires, ticket) = self.held.remove(&name)?;
        let user = ticket.identity.user_id().cloned();
        if let Some(count) = self.of_user.get_mut(&user) {
            *count -= 1;
            if *count == 0 {
                self.of_user.remove(&user);
            }
        }
        Some((expires, ticket))
    }

    /// Removes tickets that expired at least one lifetime ago. Until then the answer to them is "expired" and not
    /// "unknown".
    fn sweep(&mut self, now: Instant) {
        while self.kept.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, name)) = self.kept.pop_front()
        {
            self.remove(name);
        }
    }
}

#[async_trait]
impl TicketStore for MemoryTickets {
    async fn keep(&self, name: TicketName, ticket: HeldTicket, lifetime: Duration) -> Result<(), TicketError> {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.sweep(now);
        let user = ticket.identity.user_id().cloned();
        // All anonymous callers share one bound, which leaves room for the users.
        let most = if user.is_some() { PER_USER } else { CAPACITY / 2 };
        let count = state.of_user.get(&user).copied().unwrap_or(0);
        if state.held.len() >= CAPACITY || count >= most {
            return Err(TicketError::TooMany);
        }
        state.of_user.insert(user, count + 1);
        state.held.insert(name, (now + lifetime, ticket));
        state.kept.push_back((now + lifetime * 2, name));
        Ok(())
    }

    async fn take(&self, name: TicketName) -> Result<HeldTicket, TicketError> {
        let (expires, ticket) = self.state.lock().remove(name).ok_or(TicketError::Unknown)?;
        if expires <= Instant::now() { Err(TicketError::Expired) } else { Ok(ticket) }
    }
}

#[cfg(test)]
mod tests;
