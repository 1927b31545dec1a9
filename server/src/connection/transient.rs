//! State that few streams have, and most of those only for a short time. It is boxed on demand, so that an idle stream
//! takes no memory for it.

use std::{collections::VecDeque, ops::Deref};

use bytes::Bytes;
use tidings_protocol::{Pattern, frame::Closing};

use super::{page::Page, pending::Pending, rekeyed::Rekeyed};

#[derive(Debug)]
pub(super) struct Transient {
    /// `retry:` and `connected`, until they are written.
    pub(super) greeting: Option<Bytes>,
    /// Channels that were revoked, until the stream has reported them.
    pub(super) revoked: Vec<Pattern>,
    /// The channels that the server has subscribed this stream to, as of the stream's position.
    pub(super) server_channels: Vec<Pattern>,
    /// Requested channels that no grant covers, but a subscription by the server does.
    pub(super) by_server: Vec<Pattern>,
    /// How the keys have changed since the registry was last updated.
    pub(super) rekeyed: Rekeyed,
    pub(super) pending: VecDeque<Pending>,
    pub(super) page: Option<Page>,
    /// Whether a challenge has to be written, to see whether somebody reads this stream.
    pub(super) challenge: bool,
    /// How the stream ends, until the closing frame is written.
    pub(super) closing: Option<Closing>,
}

impl Transient {
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

static NOTHING: Transient = Transient::NOTHING;

/// Dereferences to [`Transient`], an empty one if nothing is boxed.
#[derive(Debug, Default)]
pub(super) struct TransientBox(Option<Box<Transient>>);

impl Deref for TransientBox {
    type Target = Transient;

    fn deref(&self) -> &Transient {
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl TransientBox {
    /// The boxed state, to take from; `None` if nothing is boxed.
    pub(super) fn get_mut(&mut self) -> Option<&mut Transient> {
        self.0.as_deref_mut()
    }

    /// The boxed state, to add to. Boxes an empty one first if nothing is boxed.
    pub(super) fn get_or_insert(&mut self) -> &mut Transient {
        self.0.get_or_insert_with(|| Box::new(Transient::NOTHING))
    }

    /// Frees the box once it is empty.
    pub(super) fn shrink(&mut self) {
        self.0.take_if(|transient| transient.is_nothing());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_goes_with_the_last_of_what_was_in_it() {
        let mut transient = TransientBox::default();
        transient.shrink();
        assert!(transient.get_mut().is_none() && transient.server_channels.is_empty());
        transient.get_or_insert().greeting = Some(Bytes::new());
        transient.get_or_insert().server_channels.push("a".parse().unwrap());
        transient.get_mut().unwrap().greeting = None;
        transient.shrink();
        assert_eq!(transient.server_channels.len(), 1, "it still receives that");
        transient.get_mut().unwrap().server_channels.clear();
        transient.shrink();
        assert!(transient.get_mut().is_none());
    }
}
