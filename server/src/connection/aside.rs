//! What few streams have, and most of those not for long. It is kept aside, so that a stream at rest does not carry it.

use std::{collections::VecDeque, ops::Deref};

use bytes::Bytes;
use tidings_protocol::{Pattern, frame::Closing};

use super::{page::Page, pending::Pending, rekeyed::Rekeyed};

#[derive(Debug)]
pub(super) struct Rare {
    /// `retry:` and `connected`, until they are written.
    pub(super) greeting: Option<Bytes>,
    /// Channels that were taken away, until it is said.
    pub(super) revoked: Vec<Pattern>,
    /// What the server subscribes it to, as of its position.
    pub(super) server_channels: Vec<Pattern>,
    /// What it has asked for and no grant covers, but a subscription of the server's does.
    pub(super) by_server: Vec<Pattern>,
    /// How the keys have changed since the registry was told.
    pub(super) rekeyed: Rekeyed,
    pub(super) pending: VecDeque<Pending>,
    pub(super) page: Option<Page>,
    /// To ask whether somebody reads it.
    pub(super) challenge: bool,
    /// How it ends, until it is said.
    pub(super) closing: Option<Closing>,
}

impl Rare {
    const NOTHING: Self = Self {
        greeting: None,
        revoked: Vec::new(),
        server_channels: Vec::new(),
        by_server: Vec::new(),
        rekeyed: Rekeyed { added: Vec::new(), dropped: Vec::new() },
        pending: VecDeque::new(),
        page: None,
        challenge: false,
        closing: None,
    };

    fn is_nothing(&self) -> bool {
        self.greeting.is_none()
            && self.revoked.is_empty()
            && self.server_channels.is_empty()
            && self.by_server.is_empty()
            && self.rekeyed.is_empty()
            && self.pending.is_empty()
            && self.page.is_none()
            && !self.challenge
            && self.closing.is_none()
    }
}

static NOTHING: Rare = Rare::NOTHING;

/// Reads as [`Rare`], also where there is none.
#[derive(Debug, Default)]
pub(super) struct Aside(Option<Box<Rare>>);

impl Deref for Aside {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl Aside {
    /// To take from: `None` where there is nothing.
    pub(super) fn take_from(&mut self) -> Option<&mut Rare> {
        self.0.as_deref_mut()
    }

    /// To add to.
    pub(super) fn add_to(&mut self) -> &mut Rare {
        self.0.get_or_insert_with(|| Box::new(Rare::NOTHING))
    }

    /// Gives the room back when nothing is left.
    pub(super) fn tidy(&mut self) {
        self.0.take_if(|rare| rare.is_nothing());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_goes_with_the_last_of_what_was_in_it() {
        let mut aside = Aside::default();
        aside.tidy();
        assert!(aside.take_from().is_none() && aside.server_channels.is_empty());
        aside.add_to().greeting = Some(Bytes::new());
        aside.add_to().server_channels.push("a".parse().unwrap());
        aside.take_from().unwrap().greeting = None;
        aside.tidy();
        assert_eq!(aside.server_channels.len(), 1, "it still receives that");
        aside.take_from().unwrap().server_channels.clear();
        aside.tidy();
        assert!(aside.take_from().is_none());
    }
}
