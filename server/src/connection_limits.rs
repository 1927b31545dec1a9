//! The limits on open streams: per user, per device, per address, and in all. Each open stream holds a [`Permit`], and
//! dropping the permit gives its place back.

use std::{
    hash::Hash,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hashbrown::HashMap;
use parking_lot::Mutex;
use tidings_protocol::{DeviceId, UserId};

/// The most streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) per_user: usize,
    pub(crate) per_device: usize,
    pub(crate) per_address: usize,
    pub(crate) in_all: usize,
}

/// A limit within which streams are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    User(UserId),
    /// A device of a user.
    Device(UserId, DeviceId),
    Address(IpAddr),
    All,
}

/// The user, device and address to which a stream is counted. Anonymous streams share no identity, so they are not
/// counted per user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) user: Option<UserId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) address: Option<IpAddr>,
}

impl Holder {
    /// The limits that a stream counts against, apart from the limit of all streams; the narrowest first.
    fn scopes(&self) -> impl Iterator<Item = Scope> {
        let device = self.user.clone().zip(self.device.clone()).map(|(user, device)| Scope::Device(user, device));
        let user = self.user.clone().map(Scope::User);
        device.into_iter().chain(user).chain(self.address.map(Scope::Address))
    }

    /// Whether streams of this holder count against that limit.
    fn is_in(&self, scope: &Scope) -> bool {
        *scope == Scope::All || self.scopes().any(|own| own == *scope)
    }
}

/// There is no room for another stream within this limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) Scope);

#[derive(Debug)]
pub(crate) struct ConnectionLimits(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bounds: Bounds,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    scopes: HashMap<Scope, usize>,
}

/// One open stream, counted until this is dropped.
#[derive(Debug)]
#[must_use = "dropping the permit gives the place back"]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    /// Only the parts for which there are limits.
    holder: Holder,
    is_released: AtomicBool,
}

impl ConnectionLimits {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self(Arc::new(Shared { bounds, counts: Mutex::default() }))
    }

    /// Whether there is room for one more stream.
    pub(crate) fn has_room(&self, holder: &Holder) -> Result<(), Full> {
        self.0.bounds.room(&self.0.counts.lock(), holder)
    }

    /// Counts one more stream.
    pub(crate) fn admit(&self, holder: Holder) -> Result<Permit, Full> {
        let Shared { bounds, counts } = &*self.0;
        let mut counts = counts.lock();
        bounds.room(&counts, &holder)?;
        let holder = Holder {
            device: holder.device.filter(|_| bounds.per_device < usize::MAX),
            address: holder.address.filter(|_| bounds.per_address < usize::MAX),
            ..holder
        };
        counts.all += 1;
        for scope in holder.scopes() {
            *counts.scopes.entry(scope).or_default() += 1;
        }
        drop(counts);
        Ok(Permit { shared: self.0.clone(), holder, is_released: AtomicBool::new(false) })
    }
}

impl Bounds {
    fn of(&self, scope: &Scope) -> usize {
        match scope {
            Scope::User(_) => self.per_user,
            Scope::Device(..) => self.per_device,
            Scope::Address(_) => self.per_address,
            Scope::All => self.in_all,
        }
    }

    fn room(&self, counts: &Counts, holder: &Holder) -> Result<(), Full> {
        let is_full = |scope: &Scope| counts.scopes.get(scope).is_some_and(|count| *count >= self.of(scope));
        if let Some(scope) = holder.scopes().find(is_full) {
            return Err(Full(scope));
        }
        if counts.all >= self.in_all { Err(Full(Scope::All)) } else { Ok(()) }
    }
}

impl Permit {
    /// Whether this stream counts against that limit.
    pub(crate) fn is_counted_in(&self, scope: &Scope) -> bool {
        !self.is_released.load(Ordering::Acquire) && self.holder.is_in(scope)
    }

    /// Gives back the stream's place within the limits of its user, device and address, because the stream ends,
    /// however long its socket takes to notice. It counts among all streams until it is dropped.
    pub(crate) fn release(&self) {
        if self.is_released.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut counts = self.shared.counts.lock();
        for scope in self.holder.scopes() {
            leave(&mut counts.scopes, &scope);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
        self.shared.counts.lock().all -= 1;
    }
}

fn leave<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(user: &str, device: &str, address: u8) -> Holder {
        Holder {
            user: UserId::new(user).ok(),
            device: DeviceId::new(device).ok(),
            address: (address > 0).then(|| [10, 0, 0, address].into()),
        }
    }

    #[test]
    fn each_bound_holds_and_each_place_comes_back() {
        let limits = ConnectionLimits::new(Bounds { per_user: 2, per_device: 1, per_address: 3, in_all: 4 });
        let admit = |user: &str, device: &str, address: u8| limits.admit(holder(user, device, address));
        let full = |admitted: Result<Permit, Full>| admitted.unwrap_err().0;

        let first = admit("ana", "laptop", 1).unwrap();
        let ana = UserId::new("ana").unwrap();
        assert_eq!(full(admit("ana", "laptop", 2)), Scope::Device(ana.clone(), DeviceId::new("laptop").unwrap()));
        let second = admit("ana", "phone", 2).unwrap();
        assert_eq!(full(admit("ana", "", 0)), Scope::User(ana));
        let guests = [admit("", "", 1).unwrap(), admit("", "", 1).unwrap()];
        assert_eq!(full(admit("bob", "", 1)), Scope::Address([10, 0, 0, 1].into()));
        assert_eq!(full(admit("bob", "laptop", 0)), Scope::All);

        second.release();
        assert_eq!(full(admit("ana", "", 0)), Scope::All, "its socket is still open");
        drop(first);
        assert_eq!(limits.has_room(&holder("bob", "", 1)), Ok(()));
        let third = admit("ana", "laptop", 1).unwrap();
        drop((second, third, guests));
        let counts = limits.0.counts.lock();
        assert_eq!((counts.all, counts.scopes.len()), (0, 0), "nothing stays behind");
    }
}
