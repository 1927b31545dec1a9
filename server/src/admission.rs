//! How many streams there are: of each user, from each address, in all. Who is counted holds a [`Permit`] as long as the
//! stream is open, and gives it back by dropping it.

use std::{collections::HashMap, hash::Hash, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tidings_protocol::UserId;

/// The most streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) per_user: usize,
    pub(crate) per_address: usize,
    pub(crate) in_all: usize,
}

/// What is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    User,
    Address,
    All,
}

#[derive(Debug)]
pub(crate) struct Admissions {
    bounds: Bounds,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    users: HashMap<UserId, usize>,
    addresses: HashMap<IpAddr, usize>,
}

/// One open stream, counted until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it gives the place away"]
pub(crate) struct Permit {
    counts: Arc<Mutex<Counts>>,
    user: Option<UserId>,
    address: Option<IpAddr>,
}

impl Admissions {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, counts: Arc::default() }
    }

    /// Whether one more would find room. Nobody in particular is many, and so is not counted as a user.
    pub(crate) fn has_room(&self, user: Option<&UserId>, address: Option<IpAddr>) -> Result<(), Full> {
        self.bounds.room(&self.counts.lock(), user, address)
    }

    /// Counts one more.
    pub(crate) fn admit(&self, user: Option<&UserId>, address: Option<IpAddr>) -> Result<Permit, Full> {
        let mut counts = self.counts.lock();
        self.bounds.room(&counts, user, address)?;
        counts.all += 1;
        if let Some(user) = user {
            *counts.users.entry(user.clone()).or_default() += 1;
        }
        if let Some(address) = address {
            *counts.addresses.entry(address).or_default() += 1;
        }
        drop(counts);
        Ok(Permit { counts: self.counts.clone(), user: user.cloned(), address })
    }
}

impl Bounds {
    fn room(&self, counts: &Counts, user: Option<&UserId>, address: Option<IpAddr>) -> Result<(), Full> {
        if user.and_then(|user| counts.users.get(user)).is_some_and(|count| *count >= self.per_user) {
            return Err(Full::User);
        }
        if address.and_then(|address| counts.addresses.get(&address)).is_some_and(|count| *count >= self.per_address) {
            return Err(Full::Address);
        }
        if counts.all >= self.in_all { Err(Full::All) } else { Ok(()) }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        counts.all -= 1;
        if let Some(user) = &self.user {
            leave(&mut counts.users, user);
        }
        if let Some(address) = &self.address {
            leave(&mut counts.addresses, address);
        }
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

    fn user(id: &str) -> Option<UserId> {
        Some(UserId::new(id).unwrap())
    }

    #[test]
    fn each_bound_holds_and_each_place_comes_back() {
        let admissions = Admissions::new(Bounds { per_user: 2, per_address: 3, in_all: 4 });
        let (here, there) = (Some([10, 0, 0, 1].into()), Some([10, 0, 0, 2].into()));
        let (ana, bob) = (user("ana"), user("bob"));
        let admit = |user: &Option<UserId>, address| admissions.admit(user.as_ref(), address);

        let first = admit(&ana, here).unwrap();
        let second = admit(&ana, there).unwrap();
        assert_eq!(admit(&ana, None).unwrap_err(), Full::User);
        let guests = [admit(&None, here).unwrap(), admit(&None, here).unwrap()];
        assert_eq!(admit(&bob, here).unwrap_err(), Full::Address);
        assert_eq!(admit(&bob, None).unwrap_err(), Full::All);

        drop(first);
        assert_eq!(admissions.has_room(bob.as_ref(), here), Ok(()));
        let third = admit(&ana, here).unwrap();
        drop((second, third, guests));
        let counts = admissions.counts.lock();
        assert_eq!((counts.all, counts.users.len(), counts.addresses.len()), (0, 0, 0), "nothing stays behind");
    }
}
