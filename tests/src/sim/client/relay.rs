//! What the browser hands to a tab: its locks, and what the other tabs say.

use tidings_client::session::HandlerId;
use tidings_protocol::{Cursor, event::EventFrame};

use super::{Client, exclusion};
use crate::sim::{ear::Violation, engine::Log, person::is_granted, profile::Word};

impl Client {
    /// What the browser hands to the tab.
    pub(in crate::sim) fn told(&mut self, now: u64, log: &Log, word: Word) -> Result<(), Violation> {
        self.journal.note(|| format!("{} is told {word:?}", self.person.session));
        match word {
            Word::Locked => {
                self.handovers += u64::from(self.waited);
                self.session.locked(now);
            }
            Word::Held => {
                self.waited = true;
                self.session.held(now);
            }
            Word::Lost => self.session.lost(now),
            Word::Gone(tab) => self.session.gone(&tab),
            Word::Told(post) => {
                if self.wire.is_none() && post.message.starts_with(char::is_uppercase) {
                    self.followed = post.latest;
                    self.begins_at(&post.message);
                }
                let mut heard = Vec::new();
                self.session.told(now, &post.message, &mut heard);
                let words: Vec<_> = post.message.split(' ').collect();
                let at = words.get(3).and_then(|at| at.parse().ok());
                self.relayed(log, &heard, at, post.data.as_deref())?;
                if let Some(ear) = self.confirmed(&words) {
                    let place = self.begins.and_then(|at| log.truth.find(at));
                    self.ears[ear].confirm(&log.truth, place);
                }
                let frame = match words[..] {
                    // It says itself from where the stream goes on.
                    ["G", ..] => post.frame.map(|(_, justified)| (at, justified)),
                    _ => post.frame,
                };
                return self.act(now, log, frame);
            }
        }
        self.act(now, log, None)
    }

    /// Keeps where a handler of this tab is told to begin. What is addressed to a user moves the stream's cursor; its latest
    /// position may be further, by what it confirmed to others.
    fn begins_at(&mut self, message: &str) {
        let words: Vec<_> = message.split(' ').collect();
        match words[..] {
            ["W", _, _, tab, _, number, ..] if Some(tab) == self.name.as_deref() => self.number = number.to_owned(),
            ["K", _, _, handler, cursor, ..] if handler.split_once('.').is_some_and(|(tab, _)| tab == self.number) => {
                self.begins = cursor.parse().ok();
            }
            _ => {}
        }
    }

    /// The handler of this tab that is told to hear from now on, if the message tells one.
    fn confirmed(&self, words: &[&str]) -> Option<usize> {
        let ["K", _, _, handler, ..] = words else { return None };
        let (tab, number) = handler.split_once('.')?;
        let id = if tab == self.number { number.parse().ok()? } else { return None };
        self.handlers.get(&HandlerId(id)).copied()
    }

    /// A record that came by another tab's stream.
    fn relayed(
        &mut self,
        log: &Log,
        heard: &[HandlerId],
        at: Option<Cursor>,
        data: Option<&str>,
    ) -> Result<(), Violation> {
        if heard.is_empty() {
            return Ok(());
        }
        let data = data.unwrap_or_default();
        let event: EventFrame = serde_json::from_str(data)
            .map_err(|error| Violation::new("frames can be read", format!("{error}: {data}")))?;
        let place = at.and_then(|at| log.truth.find(at));
        let Some((place, entry)) = place.and_then(|place| Some((place, log.truth.get(place).entry.as_deref()?))) else {
            return Err(Violation::new("what was published is what arrives", data));
        };
        if !self.person.shares(entry) {
            return Err(Violation::new("nobody is shown what is not for them", data));
        }
        if event.except.as_ref().is_some_and(|except| self.session.hides(&exclusion(except))) {
            return Ok(());
        }
        for handler in heard {
            let Some(ear) = self.handlers.get(handler) else { continue };
            if !self.deafness.hears(*handler) {
                continue;
            }
            self.heard += 1;
            self.relayed += 1;
            let ear = &mut self.ears[*ear];
            let may_be_refused = log.was_revoked(self.person.user, &ear.pattern) || !is_granted(&ear.pattern);
            ear.hear(&log.truth, &self.person, place, may_be_refused)?;
        }
        Ok(())
    }
}
