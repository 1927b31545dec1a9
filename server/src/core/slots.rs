//! The streams that look up one key.

use roaring::RoaringBitmap;

/// A set of slots, iterated in an order that a simulation repeats. Most keys belong to one stream (its user, its item),
/// so one slot needs no memory beside this; some keys belong to nearly all streams, so many slots take a few bits each.
#[derive(Debug, Default)]
pub(super) enum Slots {
    #[default]
    None,
    One(usize),
    Many(Box<RoaringBitmap>),
}

impl Slots {
    pub(super) fn insert(&mut self, slot: usize) {
        match self {
            Self::None => *self = Self::One(slot),
            Self::One(one) if *one == slot => {}
            Self::One(one) => *self = Self::Many(Box::new([number(*one), number(slot)].into())),
            Self::Many(slots) => {
                slots.insert(number(slot));
            }
        }
    }

    pub(super) fn remove(&mut self, slot: usize) {
        match self {
            Self::One(one) if *one == slot => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(slots) => {
                slots.remove(number(slot));
                if slots.is_empty() {
                    *self = Self::None;
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Calls `each` with every slot, in order. An iterator over the three variants made finding the streams to wake for
    /// an event cost two thirds more instructions.
    pub(super) fn for_each(&self, mut each: impl FnMut(usize)) {
        match self {
            Self::None => {}
            Self::One(slot) => each(*slot),
            Self::Many(slots) => slots.iter().for_each(|slot| each(slot as usize)),
        }
    }
}

fn number(slot: usize) -> u32 {
    u32::try_from(slot).expect("there are fewer streams")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn slots_are_a_set(steps in proptest::collection::vec((any::<bool>(), 0..4_usize), 0..30)) {
            let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
            for (insert, slot) in steps {
                if insert {
                    slots.insert(slot);
                    model.insert(slot);
                } else {
                    slots.remove(slot);
                    model.remove(&slot);
                }
                let mut held = Vec::new();
                slots.for_each(|slot| held.push(slot));
                prop_assert_eq!(held, model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(slots.is_empty(), model.is_empty());
            }
        }
    }
}
