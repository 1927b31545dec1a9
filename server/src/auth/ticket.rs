//! One-time tickets: a text of 30 seconds' life that opens one stream. For clients that can set no header, as `EventSource`
//! cannot: what ends in a proxy's log is worth nothing by then.

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

/// How long a ticket is good.
pub(crate) const LIFETIME: Duration = Duration::from_secs(30);

/// What a ticket is found by. It is no secret: whoever knows it still has to guess the 128 bits beside it, at the first try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TicketName {
    /// The node that minted it, which is the first group of its connections' ids too: a store that is not shared asks there.
    pub node: u32,
    /// Its number there, which is random.
    pub id: u64,
}

/// What is kept of a ticket: its secret, and whom it lets in. Its `Debug` does not show the secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldTicket {
    secret: u128,
    identity: Identity,
    device: Option<DeviceId>,
}

impl HeldTicket {
    /// Whom it lets in.
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

/// Why a ticket was not kept or not found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TicketError {
    /// There is none of this name, or no more: 401 `credentialsInvalid`.
    #[error("no such ticket")]
    Unknown,
    /// Its time is over: 401 `credentialsExpired`.
    #[error("the ticket has expired")]
    Expired,
    /// Too many were not used, by its owner or by all: 429 `tooManyRequests`.
    #[error("too many tickets that were not used")]
    TooMany,
    /// The store cannot be asked: 503 `unavailable`.
    #[error("the ticket store is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where tickets wait to be used. [`MemoryTickets`] is that of one process.
#[async_trait]
pub trait TicketStore: Send + Sync + 'static {
    /// Keeps a ticket until it is taken, for this long at most.
    async fn keep(&self, name: TicketName, ticket: HeldTicket, lifetime: Duration) -> Result<(), TicketError>;

    /// Takes a ticket out. Of any number of calls for one name, one gets it: this is what makes it single-use.
    async fn take(&self, name: TicketName) -> Result<HeldTicket, TicketError>;
}

/// A ticket as its owner holds it.
pub(crate) struct Ticket {
    pub(crate) name: TicketName,
    secret: u128,
}

impl Ticket {
    /// A new one, and what is to be kept of it.
    pub(crate) fn mint(node: u32, identity: Identity, device: Option<DeviceId>) -> (Self, HeldTicket) {
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random).expect("the system's random source");
        let (id, secret) = random.split_at(8);
        let id = id.iter().fold(0, |id, byte| id << 8 | u64::from(*byte));
        let secret = secret.iter().fold(0, |secret, byte| secret << 8 | u128::from(*byte));
        (Self { name: TicketName { node, id }, secret }, HeldTicket { secret, identity, device })
    }

    /// Whom it lets in on this device, now that it was taken from the store.
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

/// Tickets of one process. A user holds at most 32 that were not used, all together 100,000, of which half are for those who are
/// nobody in particular.
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
    /// In the order in which they were kept, those that were taken included.
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

    /// Forgets those that have been over for as long as they lived, so that "expired" can be said until then.
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
        // Nobody in particular is many, but leaves room for the others.
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
