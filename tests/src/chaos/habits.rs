//! What an application does with its client over time, at random: the same for native clients and for the page.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;

use super::traffic::Interest;

/// One thing to do.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Begin to listen; with `since`, from a position of the past on.
    Listen { interest: Interest, since: bool },
    /// End this one of those that listen.
    Stop { index: usize },
    /// `disconnect`, and `connect` at once.
    Reconnect,
    /// Do nothing at all for a while: nothing is read, timers come late.
    Doze(Duration),
    /// The page goes into the back/forward cache and returns.
    Return,
    /// The network came back, says the browser.
    Online,
    /// The page is loaded anew: another client, which begins where the server rendered it.
    Reload,
}

pub(crate) struct Habits {
    rng: Rng,
    /// What every new page listens to, where that is not left to chance.
    first: Option<Interest>,
    /// What it does, and then nothing more, where that is not left to chance.
    script: Option<VecDeque<Deed>>,
}

/// An application listens to at least and to at most so much.
const LISTENS: std::ops::Range<usize> = 3..9;

impl Habits {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng, first: None, script: None }
    }

    /// Those of a page that listens to this.
    #[cfg(test)]
    pub(crate) fn listening_to(interest: Interest) -> Self {
        Self { rng: Rng::with_seed(1), first: Some(interest), script: Some(VecDeque::new()) }
    }

    /// And then does this, and nothing more.
    #[cfg(test)]
    pub(crate) fn then(mut self, deed: Deed) -> Self {
        self.script.get_or_insert_default().push_back(deed);
        self
    }

    /// How long until the next deed.
    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(200..5_000))
    }

    /// What a new page listens to.
    pub(crate) fn first(&mut self) -> Vec<Interest> {
        if let Some(interest) = &self.first {
            return vec![interest.clone()];
        }
        let count = self.rng.usize(LISTENS);
        (0..count).map(|_| Interest::random(&mut self.rng)).collect()
    }

    /// The next deed of an application that has so many handlers.
    pub(crate) fn deed(&mut self, listening: usize) -> Deed {
        if let Some(script) = &mut self.script {
            return script.pop_front().unwrap_or(Deed::Doze(Duration::ZERO));
        }
        match self.rng.u8(..20) {
            0 => Deed::Reconnect,
            1 => Deed::Doze(Duration::from_millis(self.rng.u64(500..5_000))),
            2 => Deed::Return,
            3 => Deed::Online,
            4 => Deed::Reload,
            5..12 if listening > LISTENS.start => Deed::Stop { index: self.rng.usize(..listening) },
            _ if listening < LISTENS.end => {
                Deed::Listen { interest: Interest::random(&mut self.rng), since: self.rng.bool() }
            }
            _ => Deed::Stop { index: self.rng.usize(..listening) },
        }
    }

    pub(crate) fn rng(&mut self) -> &mut Rng {
        &mut self.rng
    }
}
