//! What an application does with its client over time, at random: the same for native clients and for the page.

use std::{collections::VecDeque, time::Duration};

use fastrand::Rng;

use super::traffic::Interest;

/// One action of an application.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// Subscribe; with `since`, from a past position on.
    Listen { interest: Interest, since: bool },
    /// Stop one of the active handlers.
    Stop { index: usize },
    /// Call `disconnect`, and `connect` at once.
    Reconnect,
    /// Do nothing at all for a while: nothing is read, and timers fire late.
    Doze(Duration),
    /// The page enters the back/forward cache and returns.
    Return,
    /// The browser reports that the network came back.
    Online,
    /// The page is reloaded: it is another client, which begins where the server rendered it.
    Reload,
}

pub(crate) struct Habits {
    rng: Rng,
    /// The subscription of every new page, unless it is random.
    first: Option<Interest>,
    /// The actions, after which nothing more happens, unless they are random.
    script: Option<VecDeque<Deed>>,
}

/// The least and the most handlers of an application.
const LISTENS: std::ops::Range<usize> = 3..9;

impl Habits {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng, first: None, script: None }
    }

    /// The habits of a page with this subscription.
    #[cfg(test)]
    pub(crate) fn listening_to(interest: Interest) -> Self {
        Self { rng: Rng::with_seed(1), first: Some(interest), script: Some(VecDeque::new()) }
    }

    /// Adds an action, after which nothing more happens.
    #[cfg(test)]
    pub(crate) fn then(mut self, deed: Deed) -> Self {
        self.script.get_or_insert_default().push_back(deed);
        self
    }

    /// The time until the next action.
    pub(crate) fn pause(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(200..5_000))
    }

    /// The subscriptions of a new page.
    pub(crate) fn first(&mut self) -> Vec<Interest> {
        if let Some(interest) = &self.first {
            return vec![interest.clone()];
        }
        let count = self.rng.usize(LISTENS);
        (0..count).map(|_| Interest::random(&mut self.rng)).collect()
    }

    /// The pattern whose presence a new page watches; `None` where a script decides what the page does.
    pub(crate) fn watched(&mut self) -> Option<String> {
        let patterns = ["*", "news:*", "chat:*", "chat:a:*", "chat:b:1", "news:3"];
        self.script.is_none().then(|| patterns[self.rng.usize(..patterns.len())].to_owned())
    }

    /// The next action of an application with this many handlers.
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
