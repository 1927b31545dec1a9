//! The actions of the state machine, and what the judges of its handlers must know of them.

use tidings_client::client::{Action, Hears, Message, TabAsk};
use tidings_protocol::{Cursor, Pattern};

use super::{Call, Client, Wire};
use crate::sim::{
    ear::Violation,
    engine::Log,
    person::is_granted,
    profile::{self, Post},
    truth::Place,
};

impl Client {
    /// Carries out the actions of the core.
    pub(in crate::sim) fn act(
        &mut self,
        now: u64,
        log: &Log,
        frame: Option<(Option<Cursor>, bool)>,
    ) -> Result<(), Violation> {
        let mut gapped = Vec::new();
        loop {
            while self.core.is_dirty() {
                self.core.flush(now);
            }
            let Some(action) = self.core.next_action() else { return Ok(()) };
            self.journal.note(|| format!("{} does {action:?}", self.person.session));
            let latest = self.latest().and_then(|at| log.truth.find(at));
            match action {
                Action::Open { url } => {
                    // After a gap with an immediate reopening, the stream continues from another tab's position.
                    let goes_on = url.split_once("lastEventId=").and_then(|(_, at)| at.split('&').next()?.parse().ok());
                    let goes_on = goes_on.and_then(|at| log.truth.find(at));
                    gapped.drain(..).for_each(|ear: usize| self.ears[ear].gap(&log.truth, goes_on));
                    self.handlers.values().for_each(|ear| self.ears[*ear].goes_on(goes_on));
                    self.opening = Some(url);
                }
                Action::Close => {
                    self.opening = None;
                    // What the tab tells others until its next stream continues from here.
                    self.followed = self.latest();
                    self.orphans.extend(self.wire.take().and_then(|mut wire| wire.cut()));
                }
                Action::Send(request) => {
                    let node = self.wire.as_ref().map_or(0, |wire| wire.node);
                    if self.deafness.sends(request.number) {
                        self.calls.push(Call { request, answer: None, node });
                    }
                }
                Action::Settled { handler, refusal } if self.rosters.contains_key(&handler) => {
                    if let Some(roster) = self.rosters.get_mut(&handler) {
                        roster.is_refused = refusal.is_some();
                    }
                }
                Action::Settled { handler, refusal } => {
                    let Some(ear) = self.handlers.get(&handler).map(|index| &mut self.ears[*index]) else { continue };
                    let revoked = log.was_revoked(self.person.user, &ear.pattern);
                    if refusal.is_none() {
                        // Addressed events continue from the stream's cursor, whatever it confirmed to other handlers.
                        let begins = self.wire.as_ref().map_or(self.begins, Wire::cursor);
                        let begins = begins.filter(|_| ear.hears == Hears::Addressed);
                        ear.settle(&log.truth, begins.and_then(|at| log.truth.find(at)).or(latest));
                        self.deafness.settled(handler, self.latest());
                    } else if is_granted(&ear.pattern) && !revoked || ear.hears == Hears::Addressed {
                        return Err(Violation::new("what is granted is not refused", ear.pattern.to_string()));
                    } else {
                        ear.refuse();
                    }
                }
                Action::Gap { channels, cursor, reason, handlers, .. } => {
                    let mut ears: Vec<usize> =
                        handlers.iter().filter_map(|handler| self.handlers.get(handler)).copied().collect();
                    self.count(log, &reason, channels.is_none(), &ears);
                    let Self { deafness, handlers, ears: all, .. } = self;
                    let unsettled = handlers.iter().filter(|(_, ear)| !all[**ear].settled).map(|(handler, _)| *handler);
                    deafness.gap(channels.is_none(), unsettled);
                    if reason == "malformed" {
                        self.owed(log, channels.as_deref(), &ears, latest)?;
                        continue;
                    }
                    if reason == "refused" {
                        for ear in ears {
                            if !std::mem::take(&mut self.ears[ear].returned) {
                                let detail = format!("{channels:?}, {reason}");
                                return Err(Violation::new("a gap only where a fault could cause one", detail));
                            }
                        }
                        continue;
                    }
                    if !frame.is_some_and(|(_, justified)| justified) || reason == "unknown" {
                        return Err(Violation::new(
                            "a gap only where a fault could cause one",
                            format!("{channels:?}, {reason}"),
                        ));
                    }
                    if channels.is_none() {
                        let addressed = self.handlers.values().filter(|ear| self.ears[**ear].hears == Hears::Addressed);
                        ears.extend(addressed);
                        let goes_on = frame.and_then(|(id, _)| id).and_then(|id| log.truth.find(id));
                        ears.iter().for_each(|ear| self.ears[*ear].gap(&log.truth, goes_on));
                        gapped = ears;
                    } else {
                        // The gap stands for the past that a call asked for. The stream's next frame, `subscribed`,
                        // says where it ends.
                        let ends = cursor.and_then(|at| log.truth.find(*at.as_slice().first()?));
                        ears.iter().for_each(|ear| self.ears[*ear].gap_on_channel(&log.truth, None, ends));
                    }
                }
                Action::State(status) => self.connection_id = status.connection_id,
                Action::Error(_) => {}
                Action::Enter { tab, user } => {
                    self.waited = false;
                    self.name = Some(tab.clone());
                    self.requests.push(profile::Request::Enter { name: tab, group: user.unwrap_or_default() });
                }
                Action::Exit => self.requests.push(profile::Request::Exit),
                Action::Steal => self.requests.push(profile::Request::Steal),
                Action::Watch { tab } => self.requests.push(profile::Request::Watch(tab)),
                Action::Post { message, with_frame } => {
                    if let Message::Ask { ask: TabAsk::Open { attempt, .. }, .. } = &message {
                        self.attempt = *attempt;
                    }
                    let text = self.deafness.says(message).into_text();
                    let with = self.data.clone().filter(|_| with_frame);
                    let post = Post { text, with, latest: self.latest(), frame };
                    self.requests.push(profile::Request::Post(post));
                }
            }
        }
    }

    /// The core itself reports a gap for a handler with a malformed cursor.
    fn owed(
        &mut self,
        log: &Log,
        channels: Option<&[Pattern]>,
        ears: &[usize],
        latest: Option<Place>,
    ) -> Result<(), Violation> {
        let owed = match (channels, ears) {
            (None, _) => std::mem::take(&mut self.owed_gap),
            (Some(_), [ear]) => std::mem::take(&mut self.ears[*ear].owed_gap),
            (Some(_), _) => false,
        };
        if !owed {
            return Err(Violation::new("a gap only where a fault could cause one", format!("{channels:?}, malformed")));
        }
        for ear in ears {
            let ear = &mut self.ears[*ear];
            ear.gap_on_channel(&log.truth, latest, None);
            // For a handler that was refused before, this gap reports both.
            ear.returned = false;
        }
        Ok(())
    }

    /// Counts a gap, and whether any of its handlers has missed anything.
    fn count(&mut self, log: &Log, reason: &str, whole: bool, told: &[usize]) {
        let ears = self.handlers.values().filter(|ear| whole || told.contains(ear)).map(|ear| &self.ears[*ear]);
        let mut begun = ears.filter(|ear| ear.place().is_some()).peekable();
        let needless = begun.peek().is_some() && begun.all(|ear| ear.has_all(&log.truth, &self.person, log.tip()));
        self.gaps.push((reason.to_owned(), needless));
    }
}
