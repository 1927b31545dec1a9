//! What the browser delivers to a tab: locks, and messages of other tabs.

use tidings_client::client::{Frame, HandlerId, Hears, Message, TabTell};
use tidings_protocol::{Cursor, event::EventFrame, frame::Presence};

use super::{Client, exclusion};
use crate::sim::{
    ear::Violation,
    engine::Log,
    person::is_granted,
    profile::{Post, Word},
    roster::Roster,
};

impl Client {
    /// Delivers something from the browser to the tab.
    pub(in crate::sim) fn told(&mut self, now: u64, log: &Log, word: Word) -> Result<(), Violation> {
        self.journal.note(|| format!("{} is told {word:?}", self.person.session));
        match word {
            Word::Locked => {
                self.handovers += u64::from(self.waited);
                self.core.locked(now);
            }
            Word::Held => {
                self.waited = true;
                self.core.held(now);
            }
            Word::Lost => self.core.lost(now),
            Word::Gone(tab) => self.core.gone(&tab),
            Word::Told(post) => return self.posted(now, log, &post),
        }
        self.act(now, log, None)
    }

    /// Handles a message of another tab.
    fn posted(&mut self, now: u64, log: &Log, post: &Post) -> Result<(), Violation> {
        let Some(message) = Message::from_text(&post.text) else {
            return Err(Violation::new("messages can be read", post.text.clone()));
        };
        let tell = match &message {
            Message::Tell { tell, term, .. } => Some((term.clone(), tell.clone())),
            Message::Ask { .. } => None,
        };
        let mut confirmed = Vec::new();
        if let Some((term, tell)) = tell.as_ref().filter(|_| self.wire.is_none()) {
            self.follows_to(term, tell);
            // A tab whose lock was stolen, and that has not noticed it, still speaks of its own stream.
            if term == &self.term {
                // A stream that its leader has lost continues from where it was.
                self.followed = post.latest.or(self.followed);
                confirmed = self.confirmed(tell);
            }
        }
        let tell = tell.map(|(_, tell)| tell);
        let relayed = self.core.on_message(now, message);
        for (ear, place) in confirmed {
            self.ears[ear].confirm(&log.truth, place.and_then(|at| log.truth.find(at)));
        }
        let frame = match &tell {
            // The gap itself says from where the stream continues.
            Some(TabTell::Frame { frame: Frame::Gap { id, .. }, .. }) => {
                let id = id.and_then(|id| id.as_slice().first().copied());
                post.frame.map(|(_, justified)| (id, justified))
            }
            _ => post.frame,
        };
        self.act(now, log, frame)?;
        if let (Some(_), Some((Presence::NAME, data))) =
            (&relayed, post.with.as_ref().map(|(name, data)| (name.as_str(), data)))
        {
            let frame = serde_json::from_str(data)
                .map_err(|error| Violation::new("frames can be read", format!("{error}: {data}")))?;
            self.sees(now, frame)?;
            return self.act(now, log, None);
        }
        if let (Some(relayed), Some((_, data))) = (relayed, &post.with) {
            let calls: Vec<_> = relayed.calls.iter().copied().map(Some).collect();
            for call in if calls.is_empty() { vec![None] } else { calls } {
                self.relayed(now, log, call, relayed.id.parse().ok(), data)?;
                self.act(now, log, post.frame)?;
            }
        }
        Ok(())
    }

    /// Keeps the position of the stream that the tab follows, where addressed events of its user begin. The stream's
    /// latest position may be further on, because of what it confirmed to other tabs.
    fn follows_to(&mut self, term: &str, tell: &TabTell) {
        let id = match tell {
            TabTell::Welcome { tab, attempt, frame: Frame::Connected(connected), .. }
                if Some(tab) == self.name.as_ref() && *attempt == self.attempt =>
            {
                term.clone_into(&mut self.term);
                self.begins = None;
                self.rosters.values_mut().for_each(Roster::begins_anew);
                connected.id
            }
            _ if term != self.term => None,
            TabTell::Event { id, .. } => *id,
            TabTell::Frame { frame, .. } => match frame {
                Frame::Connected(connected) => connected.id,
                Frame::Heartbeat { id } | Frame::Gap { channels: None, id, .. } => *id,
                Frame::Gap { cursor, request_id: None, .. } => *cursor,
                _ => None,
            },
            _ => None,
        };
        self.begins = id.and_then(|id| id.as_slice().first().copied()).or(self.begins);
    }

    /// The handlers that a message confirms, and their positions.
    fn confirmed(&self, tell: &TabTell) -> Vec<(usize, Option<Cursor>)> {
        let TabTell::Frame { frame: Frame::Subscribed { channels, addressed, cursor, .. }, .. } = tell else {
            return Vec::new();
        };
        let is_meant = |ear: &usize| match self.ears[*ear].hears {
            Hears::Addressed => *addressed,
            _ => channels.contains(&self.ears[*ear].pattern),
        };
        let at = cursor.and_then(|cursor| cursor.as_slice().first().copied());
        self.handlers.values().copied().filter(is_meant).map(|ear| (ear, at)).collect()
    }

    /// Handles a record from another tab's stream.
    fn relayed(
        &mut self,
        now: u64,
        log: &Log,
        call: Option<u32>,
        id: Option<Cursor>,
        data: &str,
    ) -> Result<(), Violation> {
        let event: EventFrame = serde_json::from_str(data)
            .map_err(|error| Violation::new("frames can be read", format!("{error}: {data}")))?;
        let at = event.cursor.or(id);
        let hears = if event.to.is_some() { Hears::Addressed } else { Hears::Channels };
        let route = self.core.routes().find(event.channel.as_str(), hears);
        let except = event.except.as_ref().map(exclusion);
        let mut heard: Vec<HandlerId> = Vec::new();
        let cursor = at.map(Into::into);
        match call {
            None => self.core.record(now, route, cursor, except.as_ref(), &mut heard),
            Some(call) => {
                self.core.backfill(now, &call.to_string(), route, cursor, except.as_ref(), &mut heard);
            }
        }
        if heard.is_empty() {
            return Ok(());
        }
        let place = at.and_then(|at| log.truth.find(at));
        let Some((place, entry)) = place.and_then(|place| Some((place, log.truth.get(place).entry.as_deref()?))) else {
            return Err(Violation::new("what was published is what arrives", data));
        };
        if !self.person.shares(entry) {
            return Err(Violation::new("nobody is shown what is not for them", data));
        }
        for handler in &heard {
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
