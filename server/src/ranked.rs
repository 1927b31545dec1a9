//! The locks of the core, in the one order in which they may be taken. Each lock has a rank, and a thread that holds a
//! lock takes only locks of higher ranks, so no two threads ever wait for each other. Where debug assertions are on, as
//! in tests, taking a lock out of order panics.
//!
//! | rank | lock |
//! |--:|---|
//! | 1 | a connection: what one stream looks up and has been sent |
//! | 2 | the window |
//! | 3 | the registry of all streams |
//! | 4 | streams that wait for the node to reach a number |
//! | 5 | presence |
//!
//! No ranked lock is held while a waker runs. Every other lock in this crate is held briefly, and no lock is taken
//! meanwhile.

use std::ops::{Deref, DerefMut};

use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) const CONNECTION: u8 = 1;
pub(crate) const WINDOW: u8 = 2;
pub(crate) const REGISTRY: u8 = 3;
pub(crate) const LATE: u8 = 4;
pub(crate) const PRESENCE: u8 = 5;

/// A [`Mutex`] with a rank.
#[derive(Debug, Default)]
pub(crate) struct RankedMutex<T, const RANK: u8>(Mutex<T>);

/// An [`RwLock`] with a rank.
#[derive(Debug)]
pub(crate) struct RankedRwLock<T, const RANK: u8>(RwLock<T>);

impl<T, const RANK: u8> RankedMutex<T, RANK> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> Ranked<MutexGuard<'_, T>> {
        let rank = Rank::take(RANK);
        Ranked { guard: self.0.lock(), _rank: rank }
    }
}

impl<T, const RANK: u8> RankedRwLock<T, RANK> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    pub(crate) fn read(&self) -> Ranked<RwLockReadGuard<'_, T>> {
        let rank = Rank::take(RANK);
        Ranked { guard: self.0.read(), _rank: rank }
    }

    pub(crate) fn write(&self) -> Ranked<RwLockWriteGuard<'_, T>> {
        let rank = Rank::take(RANK);
        Ranked { guard: self.0.write(), _rank: rank }
    }
}

/// The guard of a ranked lock.
pub(crate) struct Ranked<G> {
    guard: G,
    _rank: Rank,
}

impl<G: Deref> Deref for Ranked<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Ranked<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

#[cfg(debug_assertions)]
mod checked {
    use std::cell::Cell;

    thread_local! {
        /// A bit for each rank that this thread holds.
        static HELD: Cell<u8> = const { Cell::new(0) };
    }

    /// Marks a rank as held, until it is dropped.
    pub(super) struct Rank(u8);

    impl Rank {
        pub(super) fn take(rank: u8) -> Self {
            let held = HELD.get();
            assert!(held < 1 << rank, "the lock of rank {rank} is taken while those of ranks {held:#b} are held");
            HELD.set(held | 1 << rank);
            Self(rank)
        }
    }

    impl Drop for Rank {
        fn drop(&mut self) {
            HELD.set(HELD.get() & !(1 << self.0));
        }
    }
}

#[cfg(not(debug_assertions))]
mod checked {
    /// Without debug assertions nothing is checked.
    pub(super) struct Rank;

    impl Rank {
        pub(super) fn take(_: u8) -> Self {
            Self
        }
    }
}

use checked::Rank;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_taken_in_their_order_and_given_back_in_any() {
        let (window, presence) = (RankedRwLock::<_, WINDOW>::new(1), RankedMutex::<_, PRESENCE>::new(2));
        let read = window.read();
        let locked = presence.lock();
        drop(read);
        assert_eq!(*locked, 2);
        drop(locked);
        *window.write() += 1;
        assert_eq!(*window.read(), 2);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "the lock of rank 2 is taken while those of ranks 0b100000 are held")]
    fn a_lock_that_is_taken_out_of_order_panics() {
        let (window, presence) = (RankedRwLock::<_, WINDOW>::new(1), RankedMutex::<_, PRESENCE>::new(2));
        let _locked = presence.lock();
        let _read = window.read();
    }
}
