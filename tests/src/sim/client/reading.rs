//! The tab's reading of its own stream.

use tidings_client::client::{self, HandlerId, Hears};
use tidings_protocol::{Cursor, event::EventFrame, frame::Frame};

use super::{Client, Teller, exclusion};
use crate::sim::{
    ear::Violation,
    engine::Log,
    person::is_granted,
    shown::shown,
    wire::{Message, Wire},
};

impl Client {
    /// Reads up to this many bytes of the stream. Returns whether there were any.
    pub(in crate::sim) fn read(
        &mut self,
        now: u64,
        log: &Log,
        teller: Teller,
        bytes: usize,
    ) -> Result<bool, Violation> {
        let Some(wire) = &mut self.wire else { return Ok(false) };
        let had = wire.has_bytes();
        let stream = self.streams;
        for message in wire.read(bytes) {
            if self.wire.is_none() || self.streams != stream {
                break;
            }
            self.take(now, log, teller, &message)?;
        }
        if self.streams == stream && self.wire.as_ref().is_some_and(Wire::is_over) {
            self.core.failed(now);
            self.act(now, log, None)?;
            return Ok(true);
        }
        Ok(had)
    }

    /// Handles one event of the stream.
    fn take(&mut self, now: u64, log: &Log, teller: Teller, message: &Message) -> Result<(), Violation> {
        self.journal.note(|| {
            let id = message.id.map(|id| id.to_string()).unwrap_or_default();
            format!("{} reads {} {id} {}", self.person.session, message.event, message.data)
        });
        let frame = Frame::parse(&message.event, &message.data);
        let frame =
            frame.map_err(|error| Violation::new("frames can be read", format!("{error}: {}", message.data)))?;
        let Some(frame) = frame else { return Ok(()) };
        let Some(wire) = &mut self.wire else { return Ok(()) };
        self.data = Some((message.event.clone(), message.data.clone()));
        let justified = match &frame {
            Frame::Gap(gap) => wire.may_gap(log, teller, self.person.user, gap),
            _ => false,
        };
        let has_own_id = message.id != wire.id;
        wire.moves_on(message.id, matches!(&frame, Frame::Gap(gap) if gap.channels.is_none()))?;
        match frame {
            Frame::Event(event) | Frame::Backfill(event) => {
                // The position of a live event is its `id:`.
                let Some(at) = event.cursor.or(message.id) else {
                    return Err(Violation::new("every event says where it stands", &message.data));
                };
                wire.reaches(at);
                self.event(now, log, &event, at, has_own_id)?;
            }
            Frame::Presence(presence) => self.sees(now, presence)?,
            control => {
                if let Frame::Gap(gap) = &control
                    && gap.request_id.is_none()
                {
                    // The cursor of a gap is where the stream continues, unless the gap belongs to a call's past.
                    if let Some(at) = gap.cursor {
                        wire.reaches(at);
                        wire.goes_on = Some(at);
                    }
                }
                if let Frame::Revoked(revoked) = &control {
                    wire.carries.retain(|pattern| !revoked.channels.contains(pattern));
                }
                if let Frame::Subscribed(subscribed) = &control {
                    wire.carries.extend(subscribed.channels.iter().cloned());
                    wire.reaches(subscribed.cursor);
                    let place = log.truth.find(subscribed.cursor);
                    for ear in self.handlers.values() {
                        let ear = &mut self.ears[*ear];
                        let is_meant = match ear.hears {
                            Hears::Addressed => subscribed.addressed,
                            _ => subscribed.channels.contains(&ear.pattern),
                        };
                        if is_meant {
                            ear.confirm(&log.truth, place);
                        }
                    }
                }
                self.core.frame(now, crate::frames::control(control, message.id));
            }
        }
        self.act(now, log, Some((message.id, justified)))
    }

    /// Handles a record, live or past.
    fn event(
        &mut self,
        now: u64,
        log: &Log,
        event: &EventFrame,
        cursor: Cursor,
        has_own_id: bool,
    ) -> Result<(), Violation> {
        let Some(wire) = &self.wire else { return Ok(()) };
        let place = shown(log, wire, &self.person, self.core.shares(), event, cursor)?;
        let except = event.except.as_ref().map(exclusion);
        let hears = if event.to.is_some() { Hears::Addressed } else { Hears::Channels };
        let route = self.core.routes().find(event.channel.as_str(), hears);
        let mut heard = Vec::new();
        let at = Some(cursor.into());
        match &event.request_id {
            None => self.core.record(now, route, at, except.as_ref(), &mut heard),
            Some(id) => self.core.backfill(now, id.as_str(), route, at, except.as_ref(), &mut heard),
        }
        if event.request_id.is_some() && has_own_id {
            // By the rule "the `id:` of the latest frame that had one is the cursor".
            self.core.frame(now, client::Frame::Heartbeat { id: at });
        }
        let listening = self.core.routes().handlers(route).to_vec();
        let listening = listening.iter().filter_map(|handler| self.handlers.get(handler).map(|ear| (*handler, *ear)));
        let settled: Vec<_> =
            listening.filter(|(_, ear)| self.ears[*ear].settled).map(|(handler, _)| handler).collect();
        let patterns = |handler: &HandlerId| self.handlers.get(handler).map(|ear| self.ears[*ear].pattern.clone());
        self.deafness.change(&mut heard, &settled, event.request_id.is_none(), cursor, patterns);
        for handler in heard {
            let Some(ear) = self.handlers.get(&handler) else { continue };
            if !self.deafness.hears(handler) {
                continue;
            }
            self.heard += 1;
            let ear = &mut self.ears[*ear];
            let may_be_refused = log.was_revoked(self.person.user, &ear.pattern) || !is_granted(&ear.pattern);
            ear.hear(&log.truth, &self.person, place, may_be_refused)?;
        }
        Ok(())
    }
}
